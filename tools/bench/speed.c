/*
 * How fast the processor is just now: the times of two fixed pieces of work. One computes, within
 * the first cache and with several execution units at once; the other sends itself bytes through
 * the kernel. On a virtual machine another guest may run on the other half of the same core (SMT):
 * everything takes half as long again then, for seconds, while neither /proc/stat nor the "stolen"
 * time shows anything. This shows it.
 *
 *     bench-speed [CPU]
 *
 * Prints the medians of some short rounds, in nanoseconds: computing, and the kernel's part.
 */
#include "clock.h"
#include "median.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    WORDS = 1024, /* 8 KiB */
    PASSES = 200, /* a round takes some 25 us: shorter than a time slice */
    MESSAGES = 20, /* likewise */
    MESSAGE = 64, /* bytes */
    ROUNDS = 41,
};

static uint64_t words[WORDS];
static int ends[2];

/* Four sums at once, none of which waits for another. */
static void
compute(void)
{
    uint64_t a = 1, b = 2, c = 3, d = 4;
    for (uint64_t pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < WORDS; i += 4) {
            a += words[i] ^ pass;
            b += words[i + 1] ^ pass;
            c += words[i + 2] ^ pass;
            d += words[i + 3] ^ pass;
            /* The compiler must neither drop nor vectorize them. */
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
        }
    }
}

static void
use_kernel(void)
{
    static char message[MESSAGE];
    for (int i = 0; i < MESSAGES; i++) {
        if (send(ends[0], message, MESSAGE, 0) != MESSAGE ||
            recv(ends[1], message, MESSAGE, 0) != MESSAGE)
            exit(EXIT_FAILURE);
    }
}

static long long
time_of(void (*work)(void))
{
    int64_t times[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_now();
        work();
        times[round] = clock_now() - start;
    }
    return median_of(times, ROUNDS);
}

int
main(int argc, char **argv)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(argc > 1 ? strtoul(argv[1], NULL, 10) : 0, &set);
    if ((argc > 1 && sched_setaffinity(0, sizeof(set), &set) < 0) ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) {
        perror("bench-speed");
        return EXIT_FAILURE;
    }
    long long computing = time_of(compute);
    (void)printf("%lld %lld\n", computing, time_of(use_kernel));
    return EXIT_SUCCESS;
}

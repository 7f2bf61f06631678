/*
 * How fast the processor is just now: the time of a fixed piece of work that needs no memory beyond
 * the first cache and keeps several execution units busy. On a virtual machine, another guest may
 * run on the other half of the same core (SMT): everything takes half as long again then, for
 * seconds, while neither /proc/stat nor the "stolen" time shows anything. This shows it.
 *
 *     bench-speed [CPU]
 *
 * Prints the median of some short rounds, in nanoseconds.
 */
#include "clock.h"
#include "median.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WORDS = 1024, /* 8 KiB */
    PASSES = 400, /* a round takes some 50 us: shorter than a time slice */
    ROUNDS = 41,
};

static uint64_t words[WORDS];

/* Four sums at once, none of which waits for another. */
static void
work(void)
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

int
main(int argc, char **argv)
{
    int64_t times[ROUNDS];
    if (argc > 1) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(strtoul(argv[1], NULL, 10), &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0) {
            perror("bench-speed");
            return EXIT_FAILURE;
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_now();
        work();
        times[round] = clock_now() - start;
    }
    (void)printf("%lld\n", (long long)median_of(times, ROUNDS));
    return EXIT_SUCCESS;
}

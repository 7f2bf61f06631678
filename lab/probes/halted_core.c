/*
 * What it costs to wake a process. Two processes pass one byte to and fro, first
 * on one core, then on two cores, of which each is halted while the other works;
 * then on two cores, and before each blocking receive some receives that do not
 * block, with sched_yield(2) between them, for at most 50 us.
 * Prints the median round trip of each in us; and how busy the two cores were
 * before with other work, of 1: what is busy is not halted.
 */
#include "clock.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ROUNDS = 2001,
    SPIN_NS = 50 * 1000,
    WATCH_US = 200 * 1000,
};

static void
receive(int fd, int spins)
{
    char byte;
    int64_t until = clock_now() + SPIN_NS;
    while (spins && clock_now() < until) {
        if (recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
            return;
        sched_yield();
    }
    if (recv(fd, &byte, 1, 0) != 1)
        _exit(1);
}

static void
pin(size_t core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static int
ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double
round_trip(size_t core, size_t other, int spins)
{
    static int64_t ns[ROUNDS];
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        exit(1);
    pid_t peer = fork();
    if (peer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(other);
        for (;;) {
            receive(fds[1], spins);
            (void)!send(fds[1], "", 1, 0);
        }
    }
    pin(core);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = clock_now();
        (void)!send(fds[0], "", 1, 0);
        receive(fds[0], spins);
        ns[i] = clock_now() - start;
    }
    kill(peer, SIGKILL);
    qsort(ns, ROUNDS, sizeof(ns[0]), ascending);
    return (double)ns[ROUNDS / 2] / 1e3;
}

/* The share of all cores' time that was not idle while we slept. */
static double
busy(void)
{
    unsigned long t[2][8] = {{0}}, all = 0;
    for (int i = 0; i < 2; i++) {
        FILE *stat = fopen("/proc/stat", "r");
        for (int j = 0; stat && j < 8; j++)
            (void)!fscanf(stat, j ? "%lu" : "cpu %lu", &t[i][j]);
        if (stat)
            fclose(stat);
        if (i == 0)
            usleep(WATCH_US);
    }
    for (int j = 0; j < 8; j++)
        all += t[1][j] - t[0][j];
    return all ? 1 - (double)(t[1][3] - t[0][3]) / (double)all : 0;
}

int
main(void)
{
    cpu_set_t set;
    size_t cores[2];
    int n = 0;
    sched_getaffinity(0, sizeof(set), &set);
    for (size_t i = 0; i < CPU_SETSIZE && n < 2; i++)
        if (CPU_ISSET(i, &set))
            cores[n++] = i;
    if (n < 2) {
        printf("{\"cores\":%d}\n", n);
        return 0;
    }
    double other_work = busy();
    double one = round_trip(cores[0], cores[0], 0);
    double two = round_trip(cores[0], cores[1], 0);
    double yield = round_trip(cores[0], cores[1], 1);
    printf("{\"cores\":2,\"busy\":%.2f,\"one\":%.1f,\"two\":%.1f,\"yield\":%.1f}\n", other_work,
        one, two, yield);
    return 0;
}

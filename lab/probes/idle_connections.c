/*
 * One connection speaks, many are idle: what does it cost to be told which? With
 * poll(2), which is handed the whole list each time, and with epoll(7), which
 * keeps it. Prints the median us of a wait for a connection that has something.
 *
 *   idle-connections COUNT
 */
#include "clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ROUNDS = 301,
    SPARE = 32, /* descriptors for anything else */
};

static int
ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* epoll_fd -1: with poll. */
static double
measure(struct pollfd *list, int count, int writer, int epoll_fd)
{
    static int64_t ns[ROUNDS];
    struct epoll_event event;
    char byte;
    for (int i = 0; i < ROUNDS; i++) {
        (void)!write(writer, "", 1);
        int64_t start = clock_now();
        int ready =
            epoll_fd < 0 ? poll(list, (nfds_t)count, -1) : epoll_wait(epoll_fd, &event, 1, -1);
        ns[i] = clock_now() - start;
        if (ready != 1 || read(list[count - 1].fd, &byte, 1) != 1)
            exit(1);
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), ascending);
    return (double)ns[ROUNDS / 2] / 1e3;
}

int
main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 5000;
    struct rlimit limit;
    if (count < 1 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 2;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur != RLIM_INFINITY && (rlim_t)count * 2 + SPARE > limit.rlim_cur)
        count = (int)(limit.rlim_cur - SPARE) / 2;

    struct pollfd *list = calloc((size_t)count, sizeof(*list));
    int epoll_fd = epoll_create1(0), fds[2] = {-1, -1};
    for (int i = 0; list && i < count; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
            return 1;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[0]};
        list[i] = (struct pollfd){.fd = fds[0], .events = POLLIN};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[0], &event);
    }
    double with_poll = measure(list, count, fds[1], -1);
    double with_epoll = measure(list, count, fds[1], epoll_fd);
    printf("{\"count\":%d,\"poll\":%.2f,\"epoll\":%.2f}\n", count, with_poll, with_epoll);
    return 0;
}

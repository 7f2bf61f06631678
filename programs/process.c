/* A process on a POSIX system: see process.h. process_windows.c is its twin. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

_Static_assert(PROCESS_CPU_MAX < CPU_SETSIZE, "a set of processors has it");

/*
 * If a standard stream is closed, a connection would get its descriptor, and
 * what we print would be sent to a peer.
 */
void
process_open(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            (void)open(
                "/dev/null", O_RDWR); /* open() takes the lowest free number */
    }
}

/* The library's threads inherit it, since none runs yet. */
int
process_pin(unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set);
}

void
process_raise_limits(void)
{
    struct rlimit limit;
    /* Hundreds of peers need more than the usual 1024 descriptors. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* works with fewer */
    }
    /* By default the kernel ends a sleep up to 50 us late, to save wakeups. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
}

ssize_t
process_read(void *buf, size_t size)
{
    return read(STDIN_FILENO, buf, size);
}

int
process_input(void)
{
    fd_set input;
    struct timeval now = {0};
    FD_ZERO(&input);
    FD_SET(STDIN_FILENO, &input);
    return select(STDIN_FILENO + 1, &input, NULL, NULL, &now);
}

/* select(2) says that a pipe is writable while it has room for PIPE_BUF bytes:
 * a whole line of ours, which write(2) then takes as one piece (pipe(7)). */
int
process_output(int timeout_ms)
{
    fd_set output;
    struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    FD_ZERO(&output);
    FD_SET(STDOUT_FILENO, &output);
    int ready = select(
        STDOUT_FILENO + 1, NULL, &output, NULL, timeout_ms < 0 ? NULL : &limit);
    return ready < 0 && errno != EINTR ? 1 : ready;
}

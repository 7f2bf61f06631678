/*
 * A process opens a connection, then forks, and the child sends on it. What
 * becomes of the child, does its message arrive, and can the parent go on? A
 * third process, the other end, tells what it got.
 */
#include "two_ends.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
    LIMIT_MS = 20 * 1000, /* for the other end: the parent's message ends its wait */
    LIMIT_CHILD_MS = 5000,
    FLUSH_US = 300 * 1000,
    LATER_US = 20 * 1000, /* ZeroMQ looks after its process only a millisecond or
                             so after the call before: socket_base.cpp */
};

/* The other end: the first letter of each message, into a pipe. */
static int
other_end(const char *url, int out)
{
    char text[SIZE] = "";
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pair_open(url, 1) < 0)
        return 1;
    while (pair_get(text, LIMIT_MS) == SIZE)
        if (write(out, text, 1) < 0 || text[0] == 'p')
            break;
    return 0;
}

static void
child(void)
{
    char text[SIZE] = "child";
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    usleep(LATER_US);
    errno = 0;
    int result = pair_put(text, 0);
    usleep(FLUSH_US);
    _exit(result == SIZE ? 0 : errno);
}

int
main(int argc, char **argv)
{
    int fds[2];
    char text[SIZE] = "before", got[8] = "";
    if (argc < 2 || pipe(fds) < 0)
        return 2;
    pid_t other = fork(); /* before any socket */
    if (other == 0)
        return other_end(argv[1], fds[1]);
    close(fds[1]);
    if (pair_open(argv[1], 0) < 0 || pair_put(text, 1) < 0 || read(fds[0], got, 1) != 1)
        return 1;

    pid_t pid = fork();
    if (pid == 0)
        child();
    int status = 0, ms = 0;
    for (; ms < LIMIT_CHILD_MS && waitpid(pid, &status, WNOHANG) == 0; ms += 10)
        usleep(10000);
    int hangs = ms >= LIMIT_CHILD_MS;
    if (hangs)
        kill(pid, SIGKILL);

    int result = pair_put("parent\0\0\0\0\0\0\0\0\0", 0);
    (void)!read(fds[0], got + 1, 1);
    (void)!read(fds[0], got + 2, 1); /* nothing, if the child's did not arrive */
    const char *became = hangs ? "hangs"
        : WIFSIGNALED(status)  ? sigabbrev_np(WTERMSIG(status))
        : WEXITSTATUS(status)  ? errno_name(WEXITSTATUS(status))
                               : "sent";
    printf("{\"child\":\"%s\",\"child_arrived\":%s,\"parent_sent\":%s,\"parent_arrived\":%s}\n",
        became, strchr(got, 'c') ? "true" : "false", result == SIZE ? "true" : "false",
        strchr(got, 'p') ? "true" : "false");
    fflush(stdout);
    _exit(0);
}

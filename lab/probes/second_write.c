/*
 * The other end is killed; we go on sending, as if nothing had happened. Over TCP.
 * Says what each send returned; if a send kills the process, the line is missing.
 * Each send is made at a line on standard input, when the system and the library
 * have done what the send before has led to.
 */
#include "two_ends.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
    SENDS = 4,
    LIMIT_MS = 10 * 1000,
};

int
main(int argc, char **argv)
{
    char text[SIZE] = "";
    if (argc < 2)
        return 2;
    if (argc > 2 && strcmp(argv[2], "ignore") == 0)
        signal(SIGPIPE, SIG_IGN);
    pid_t peer = fork(); /* before any socket: a library is not to be forked */
    if (peer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (pair_open(argv[1], 1) < 0 || pair_get(text, LIMIT_MS) < 0)
            return 1;
        raise(SIGKILL);
    }
    if (pair_open(argv[1], 0) < 0 || pair_put(text, 1) < 0 || waitpid(peer, NULL, 0) < 0)
        return 1;
    puts("{\"event\":\"killed\"}");
    fflush(stdout);
    for (int i = 1; i <= SENDS; i++) {
        if (getchar() == EOF)
            return 1;
        errno = 0;
        int result = pair_put(text, 0);
        printf("{\"send\":%d,\"result\":%d,\"errno\":\"%s\"}\n", i, result,
            result < 0 ? errno_name(errno) : "none");
        fflush(stdout);
    }
    _exit(0);
}

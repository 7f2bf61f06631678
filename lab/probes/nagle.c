/*
 * Two small messages one after the other, then wait for the answer to both: the
 * pattern that Nagle's algorithm and delayed acknowledgements make slow together.
 * Over TCP, two processes, one round after another; prints the median in us.
 *
 *   nagle URL                the library's own default
 *   nagle URL nodelay        with TCP_NODELAY (ZeroMQ has no such option)
 */
#include "clock.h"
#include "two_ends.h"

#include <signal.h>
#include <sys/prctl.h>

enum {
    ROUNDS = 21,
    WARM = 3, /* a new connection acknowledges at once for a while */
    LIMIT_MS = 2000,
};

/* nanomsg and NNG heed it before bind or connect only, a socket also later. */
static int
open_end(const char *url, int binds, int nodelay)
{
#if defined(WITH_NN)
    pair = nn_socket(AF_SP, NN_PAIR);
    if (nodelay)
        nn_setsockopt(pair, NN_TCP, NN_TCP_NODELAY, &nodelay, sizeof(nodelay));
    return binds ? nn_bind(pair, url) : nn_connect(pair, url);
#else
    int result = pair_open(url, binds);
#if !defined(WITH_ZMQ)
    if (nodelay)
        setsockopt(pair, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof(nodelay));
#endif
    (void)nodelay;
    return result;
#endif
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
    char text[SIZE] = "";
    double us[ROUNDS];
    int nodelay = argc > 2 && strcmp(argv[2], "nodelay") == 0;
    if (argc < 2)
        return 2;
    pid_t server = fork(); /* before any socket: a library is not to be forked */
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (open_end(argv[1], 1, nodelay) < 0)
            return 1;
        while (pair_get(text, LIMIT_MS) == SIZE && pair_get(text, LIMIT_MS) == SIZE)
            pair_put(text, 1);
        return 0;
    }
    if (open_end(argv[1], 0, nodelay) < 0)
        return 1;
    for (int i = -WARM; i < ROUNDS; i++) {
        int64_t start = clock_now();
        if (pair_put(text, 1) < 0 || pair_put(text, 1) < 0 || pair_get(text, LIMIT_MS) != SIZE)
            return 1;
        if (i >= 0)
            us[i] = (double)(clock_now() - start) / CLOCK_US;
    }
    qsort(us, ROUNDS, sizeof(us[0]), ascending);
    printf("{\"us\":%.0f,\"least\":%.0f,\"most\":%.0f}\n", us[ROUNDS / 2], us[0], us[ROUNDS - 1]);
    fflush(stdout);
    kill(server, SIGKILL);
    _exit(0);
}

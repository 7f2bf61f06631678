/*
 * A signal arrives while a program waits in the library's own blocking receive.
 * Nobody sends. SIGALRM comes after 300 ms and then again and again, in case the
 * program was not waiting yet; its handler does nothing. The receive has until
 * 1200 ms. Says when it returned, and with what.
 *
 *   signal              the handler is installed without SA_RESTART
 *   signal restart      and with it
 */
#include "clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(WITH_ZMQ)
#include <zmq.h>
#elif defined(WITH_NN)
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#endif

enum {
    SIGNAL_MS = 300,
    AGAIN_MS = 100,
    LIMIT_MS = 1200,
};

static char buffer[16];

#if defined(WITH_ZMQ)
static int
receive(void)
{
    int limit = LIMIT_MS;
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_PAIR);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &limit, sizeof(limit));
    zmq_bind(socket, "inproc://signal");
    return zmq_recv(socket, buffer, sizeof(buffer), 0);
}
#elif defined(WITH_NN)
static int
receive(void)
{
    int limit = LIMIT_MS;
    int socket = nn_socket(AF_SP, NN_PAIR);
    nn_setsockopt(socket, NN_SOL_SOCKET, NN_RCVTIMEO, &limit, sizeof(limit));
    nn_bind(socket, "inproc://signal");
    return nn_recv(socket, buffer, sizeof(buffer), 0);
}
#else
/* Without SO_RCVTIMEO, which by itself forbids the restart: signal(7). */
static int
receive(void)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return -1;
    if (fork() == 0) { /* ends the wait: by the end of the stream */
        close(fds[0]);
        usleep(LIMIT_MS * 1000);
        _exit(0);
    }
    close(fds[1]);
    return (int)recv(fds[0], buffer, sizeof(buffer), 0);
}
#endif

static void
on_signal(int number)
{
    (void)number;
}

int
main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval timer = {{0, AGAIN_MS * 1000}, {0, SIGNAL_MS * 1000}};
    if (argc > 1 && strcmp(argv[1], "restart") == 0)
        action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);

    int64_t start = clock_now();
    int result = receive();
    const char *error = result < 0 ? strerrorname_np(errno) : "none";
    int64_t ms = (clock_now() - start + CLOCK_MS / 2) / CLOCK_MS;
    printf("{\"result\":%d,\"errno\":\"%s\",\"ms\":%lld}\n", result, error, (long long)ms);
    fflush(stdout);
    _exit(0);
}

/*
 * One thread waits in a blocking receive; another closes the socket. Says what
 * became of the receive within seconds. Some libraries end the process instead.
 *
 *   close-thread             by the call that closes
 *   close-thread kindly      by the call that is meant for it: shutdown(2),
 *                            zmq_ctx_shutdown(3)
 */
#include "asleep.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if defined(WITH_ZMQ)
#include <zmq.h>
static void *context;
static void *receiver;
#elif defined(WITH_NN)
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
static int receiver;
#else
static int receiver;
static int peer;
#endif

enum {
    BEFORE_MS = 300, /* it waits for so long */
    LIMIT_S = 5, /* for its end */
#if defined(WITH_NN)
    WAITS_S = LIMIT_S,
#else
    WAITS_S = 1, /* the call that closes does not always end it */
#endif
};

static volatile pid_t tid; /* of the thread that waits */
static char buffer[16];
static int result;
static int error;

static void *
receive(void *unused)
{
    tid = gettid();
#if defined(WITH_ZMQ)
    result = zmq_recv(receiver, buffer, sizeof(buffer), 0);
#elif defined(WITH_NN)
    result = nn_recv(receiver, buffer, sizeof(buffer), 0);
#else
    result = (int)recv(receiver, buffer, sizeof(buffer), 0);
#endif
    error = errno;
    return unused;
}

static int
open_receiver(void)
{
#if defined(WITH_ZMQ)
    context = zmq_ctx_new();
    receiver = zmq_socket(context, ZMQ_PAIR);
    return zmq_bind(receiver, "tcp://127.0.0.1:*");
#elif defined(WITH_NN)
    receiver = nn_socket(AF_SP, NN_PAIR);
    return nn_bind(receiver, "inproc://close");
#else
    int fds[2];
    int made = socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    receiver = fds[0];
    peer = fds[1];
    return made;
#endif
}

static void
end(int kindly)
{
#if defined(WITH_ZMQ)
    kindly ? zmq_ctx_shutdown(context) : zmq_close(receiver);
#elif defined(WITH_NN)
    (void)kindly;
    nn_close(receiver);
#else
    kindly ? shutdown(receiver, SHUT_RDWR) : close(receiver);
#endif
}

static const char *
name_of(int errnum)
{
#if defined(WITH_ZMQ)
    if (errnum == ETERM)
        return "ETERM";
#endif
    const char *name = strerrorname_np(errnum);
    return name ? name : "unknown";
}

int
main(int argc, char **argv)
{
    pthread_t thread;
    struct timespec until;
    if (open_receiver() < 0 || pthread_create(&thread, NULL, receive, NULL) != 0)
        return 1;
    usleep(BEFORE_MS * 1000);
    while (
        !tid || !asleep("/proc/self/task", tid)) /* a busy machine has not even begun it by then */
        usleep(10 * 1000);
    int kindly = argc > 1 && strcmp(argv[1], "kindly") == 0;
    end(kindly);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += kindly ? LIMIT_S : WAITS_S;
    int waits = pthread_timedjoin_np(thread, NULL, &until) != 0;
    printf("{\"waits\":%s,\"result\":%d,\"errno\":\"%s\"}\n", waits ? "true" : "false", result,
        waits || result >= 0 ? "none" : name_of(error));
    fflush(stdout);
    _exit(0);
}

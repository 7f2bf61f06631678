/*
 * Closing a socket. Besides reqrep.c and pubsub.c, only this file, receive.c
 * and reconnect.c call the library: both patterns need the same precaution.
 *
 * NNG's nn_close() may wait for ever for a connection on which something
 * arrives meanwhile (NNG issue 1813; measured: 1 to 10 % of closes). With a
 * limit that refuses everything that arrives, it hangs in about 1 of some
 * thousands. So a thread of its own closes the socket; if it takes too long, it
 * is left behind. nanomsg's needs no precaution.
 */
#include "close.h"

#include <nanomsg/nn.h>

#ifdef NNG_COMPAT_NN_H
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "clock.h"

enum {
    CLOSE_MAX_MS = 300, /* after that, the thread is left behind */
};

static void *
close_thread(void *arg)
{
    int socket = (int)(intptr_t)arg;
    int one = 1;
    (void)nn_setsockopt(
        socket, NN_SOL_SOCKET, NN_RCVMAXSIZE, &one, sizeof(one));
    (void)nn_close(socket); /* fails only for an invalid socket */
    return NULL;
}

void
close_socket(int socket)
{
    pthread_t thread;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail */
    until.tv_sec += (until.tv_nsec + CLOSE_MAX_MS * CLOCK_MS) / CLOCK_S;
    until.tv_nsec = (until.tv_nsec + CLOSE_MAX_MS * CLOCK_MS) % CLOCK_S;
    void *arg = (void *)(intptr_t)socket;
    if (pthread_create(&thread, NULL, close_thread, arg) != 0)
        (void)close_thread(arg); /* it may wait; an open socket stays bound */
    else if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0)
        (void)pthread_detach(thread);
}
#else
void
close_socket(int socket)
{
    (void)nn_close(socket); /* fails only for an invalid socket */
}
#endif

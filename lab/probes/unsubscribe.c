/*
 * A subscriber unsubscribes from what it never subscribed to, with the library's
 * own call. Says what the call returned; one of them ends the process instead.
 *
 *   unsubscribe none      it has no subscription at all
 *   unsubscribe other     it has another one
 */
#include "answer.h"

#include <errno.h>

#if defined(WITH_ZMQ)
#include <zmq.h>
#else
#include <nanomsg/nn.h>
#include <nanomsg/pubsub.h>
#endif

int
main(int argc, char **argv)
{
    int other = argc > 1 && strcmp(argv[1], "other") == 0;
#if defined(WITH_ZMQ)
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_SUB);
    if (other)
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "weather", 7);
    int result = zmq_setsockopt(socket, ZMQ_UNSUBSCRIBE, "sports", 6);
    const char *words = zmq_strerror(errno);
#else
    int socket = nn_socket(AF_SP, NN_SUB);
    if (other)
        nn_setsockopt(socket, NN_SUB, NN_SUB_SUBSCRIBE, "weather", 7);
    int result = nn_setsockopt(socket, NN_SUB, NN_SUB_UNSUBSCRIBE, "sports", 6);
    const char *words = nn_strerror(errno);
#endif
    answer(result, result < 0 ? words : "none");
    return 0;
}

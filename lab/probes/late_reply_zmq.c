/*
 * A ZeroMQ client that gives up on a request and asks the next one.
 *
 *   late-reply-zmq defaults|relaxed|correlate URL
 *
 * defaults: no option; relaxed: ZMQ_REQ_RELAXED; correlate: that, and ZMQ_REQ_CORRELATE.
 */
#include "late_reply.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int on = 1, none = 0, timeout = GIVE_UP_MS, longer = WAIT_MS;
    char text[64];
    void *ctx = zmq_ctx_new();
    void *socket = ctx ? zmq_socket(ctx, ZMQ_REQ) : NULL;
    if (!socket)
        return 1;
    if (strcmp(argv[1], "defaults") != 0)
        zmq_setsockopt(socket, ZMQ_REQ_RELAXED, &on, sizeof(on));
    if (strcmp(argv[1], "correlate") == 0)
        zmq_setsockopt(socket, ZMQ_REQ_CORRELATE, &on, sizeof(on));
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof(none));
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, sizeof(timeout));
    if (zmq_connect(socket, argv[2]) < 0 || zmq_send(socket, "one", 3, 0) < 0)
        return 1;

    (void)getchar();
    int n = zmq_recv(socket, text, sizeof(text), 0);
    say("gave up", n < 0 ? zmq_strerror(errno) : "", text, n < 0 ? 0 : n);
    int result = zmq_send(socket, "two", 3, 0);
    say("asked again", result < 0 ? zmq_strerror(errno) : "", "", 0);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &longer, sizeof(longer));
    n = zmq_recv(socket, text, sizeof(text), 0);
    say("received", n < 0 ? zmq_strerror(errno) : "", text, n < 0 ? 0 : n);
    zmq_close(socket);
    zmq_ctx_term(ctx);
    return 0;
}

/*
 * One end of a connection that only waits. What can it do to notice that nothing
 * comes any more, not even a heartbeat? When it notices, the connection ends, and
 * the experiment sees that from outside.
 *
 *   heartbeat URL serve     the other end: binds, and waits too
 *   heartbeat URL plain     connects, with the library's defaults
 *   heartbeat URL beat      with what there is: keepalive of TCP (the socket
 *                           asks after a second of silence, once), heartbeats of
 *                           ZeroMQ (every 700 ms). nanomsg and NNG have nothing
 *
 * A plain socket says what its receive returned.
 */
#include "two_ends.h"

#include <limits.h>

enum {
    BEAT_MS = 700, /* a busy machine may take a while to answer one */
    IDLE_S = 1,
};

#if defined(WITH_ZMQ)
static int
open_beating(const char *url)
{
    int ms = BEAT_MS;
    pair = zmq_socket(zmq_ctx_new(), ZMQ_PAIR);
    zmq_setsockopt(pair, ZMQ_HEARTBEAT_IVL, &ms, sizeof(ms));
    return zmq_connect(pair, url);
}
#elif defined(WITH_NN)
static int
open_beating(const char *url)
{
    return pair_open(url, 0);
}
#else
static int
open_beating(const char *url)
{
    int one = 1, seconds = IDLE_S;
    if (pair_open(url, 0) < 0)
        return -1;
    setsockopt(pair, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
    setsockopt(pair, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
    setsockopt(pair, IPPROTO_TCP, TCP_KEEPCNT, &one, sizeof(one));
    return setsockopt(pair, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}
#endif

int
main(int argc, char **argv)
{
    char text[SIZE];
    if (argc < 3)
        return 2;
    int beats = strcmp(argv[2], "beat") == 0;
    int result = beats ? open_beating(argv[1]) : pair_open(argv[1], strcmp(argv[2], "serve") == 0);
    if (result < 0)
        return 1;
    result = pair_get(text, INT_MAX);
    printf("{\"result\":%d,\"errno\":\"%s\"}\n", result, result < 0 ? errno_name(errno) : "none");
    return 0;
}

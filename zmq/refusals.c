/*
 * Whom a server's socket refuses: see refusals.h. Both patterns watch in the
 * same way, and no clause needs it: so these calls of the library stand here.
 *
 * A peer that is too old, has a socket of the wrong type, or speaks something
 * else is closed without a reason: no event but that it is disconnected. (File
 * zmtp_engine.cpp, handshake_v2_0 and its like; mechanism.cpp,
 * check_socket_type. Versions 4.3.4 and 4.3.5.) So is a good peer that leaves,
 * and an event of a handshake does not say whose it is. But the events of our
 * one I/O thread are in order:
 *
 *     accepted 12 | disconnected 12              12 was refused
 *     accepted 12 | succeeded | disconnected 12  it may be that 12 was not
 *
 * While several connections begin at once, a refusal may go unseen; a peer that
 * was refused comes again. Which peer it was, the monitor does not tell: its
 * address is our own, and the descriptor may be another connection's by now.
 */
#include "refusals.h"

#include <stdint.h>
#include <string.h>
#include <zmq.h>

#include "notice.h"

/* The monitor's address, within the server's own context. */
#define MONITOR_URL "inproc://refusals"

enum {
    EVENT_SIZE = 6, /* bytes: 16 bits which event, 32 its value */
    TURNS = 1024, /* between two looks at the monitor: its queue has no limit */
};

int
refusals_watch(
    struct refusals *refusals, void *ctx, void *socket, int *descriptor)
{
    int unlimited = 0;
    size_t size = sizeof(int);
    refusals->newest = -1;
    refusals->monitor = zmq_socket(ctx, ZMQ_PAIR);
    if (!refusals->monitor ||
        zmq_setsockopt(refusals->monitor, ZMQ_RCVHWM, &unlimited, size) < 0 ||
        zmq_connect(refusals->monitor, MONITOR_URL) < 0 ||
        zmq_getsockopt(refusals->monitor, ZMQ_FD, descriptor, &size) < 0)
        return -1;
    /* The library's thread would block if the monitor's queue were full, or
     * without a receiver: so that comes first. */
    if (zmq_socket_monitor(socket, MONITOR_URL, ZMQ_EVENT_ALL) < 0)
        return -1;
    refusals_read(refusals); /* the descriptor tells of what comes after this */
    return 0;
}

/* Judges an event: the first part of what the monitor sent. */
static void
judge(struct refusals *refusals, const unsigned char *event)
{
    uint16_t number;
    uint32_t value;
    memcpy(&number, event, sizeof(number));
    memcpy(&value, event + sizeof(number), sizeof(value));
    if (number == ZMQ_EVENT_ACCEPTED) {
        refusals->newest = (int)value;
        return;
    }
    if (number == ZMQ_EVENT_DISCONNECTED && (int)value != refusals->newest)
        return;
    refusals->newest = -1;
    if (number == ZMQ_EVENT_DISCONNECTED)
        notice("refused a peer in its handshake and closed the connection; the "
               "library does not say why. The peer may speak another "
               "protocol, or its socket is of a type that does not fit. Or it "
               "speaks ZMTP 2.0 or older, as ZeroMQ before version 4 does: "
               "such peers are refused, because an HTTP request looks like "
               "one");
    else if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
        value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        notice("refused a peer in its handshake and closed the connection: it "
               "wants another security mechanism than NULL, such as CURVE");
    else if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        notice("refused a peer in its handshake and closed the connection: it "
               "violates ZMTP (0x%x in zmq.h)",
            value);
}

void
refusals_read(struct refusals *refusals)
{
    unsigned char event[EVENT_SIZE];
    while (zmq_recv(refusals->monitor, event, sizeof(event), ZMQ_DONTWAIT) ==
        (int)sizeof(event)) {
        /* The second part is our own address. */
        (void)zmq_recv(refusals->monitor, NULL, 0, ZMQ_DONTWAIT);
        judge(refusals, event);
    }
}

void
refusals_turn(struct refusals *refusals)
{
    if (++refusals->turns % TURNS == 0)
        refusals_read(refusals);
}

void
refusals_end(struct refusals *refusals, void *socket)
{
    if (!refusals->monitor)
        return;
    /* Before its receiver goes: the library's thread would block. */
    (void)zmq_socket_monitor(socket, NULL, 0);
    (void)zmq_close(refusals->monitor);
}

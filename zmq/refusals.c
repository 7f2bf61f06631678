/*
 * Whom a server's socket refuses: see refusals.h.
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

void
refusals_judge(struct refusals *refusals, const unsigned char *event)
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
               "library does not say why. The peer may speak ZMTP 2.0 or "
               "older, as ZeroMQ before version 4 does: such peers are "
               "refused, because an HTTP request looks like one. Or it speaks "
               "another protocol, or its socket is of a type that does not "
               "fit");
    else if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
        value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        notice("refused a peer in its handshake and closed the connection: it "
               "wants another security mechanism than NULL, such as CURVE");
    else if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        notice("refused a peer in its handshake and closed the connection: it "
               "violates ZMTP (0x%x in zmq.h)",
            value);
}

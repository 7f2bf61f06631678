/*
 * ZMTP's message frames: what they carry depends on the socket types
 * (rfc.zeromq.org/spec/28, 29, 48) and on the security mechanism.
 *
 * An envelope is what REQ and REP put before a message: frames that the
 * application does not see, and an empty one that ends them. DEALER and ROUTER
 * add nothing and remove nothing, so between two of them there is no envelope.
 * The frames are looked at up to the empty one before any of them is handed
 * out: where there is none, the same bytes are the message.
 */
#include "decode_machine.h"

#include <string.h>

enum {
    FLAG_MORE = 1,
    REQUEST_ID = 4, /* ZMQ_REQ_CORRELATE; zmq_setsockopt(3) */
    ENVELOPE_MAX = 1024, /* bytes to look through for the empty frame */
};

const char *
decode_zmtp_socket_name(enum decode_socket socket)
{
    static const char *const names[SOCKETS] = {"?", TABLE_SOCKET_NAMES};
    return names[socket];
}

static enum decode_socket
peer_of(const struct decode *decode)
{
    return decode->peer ? decode->peer->zmtp.socket : SOCKET_UNKNOWN;
}

/* A frame's body that nobody can read, or that no specification explains. */
static void
opaque(struct decode *decode)
{
    decode->part = DECODE_UNKNOWN;
    if (decode->left == 0)
        decode_zmtp_next(decode);
    else
        decode_expect(decode, decode->left, decode_zmtp_rest, "zmtp.data");
}

static void
sealed_body(struct decode *decode)
{
    static const char name[] = "\x07MESSAGE"; /* what else CURVE has is a command */
    size_t len = sizeof(name) - 1;
    if (decode->got < len)
        decode_expect(decode, len, sealed_body, "zmtp.data");
    else if (memcmp(decode->held, name, len) != 0 || !decode_zmtp_curve(decode, 7))
        opaque(decode);
}

static void
sealed(struct decode *decode)
{
    decode->in_message = false;
    decode->frames++;
    decode->part = DECODE_FRAMING;
    decode_zmtp_head(decode, "");
    if (decode->zmtp.mechanism == MECHANISM_CURVE && decode->left >= 33)
        decode_expect(decode, 8, sealed_body, "zmtp.data");
    else
        opaque(decode);
}

/* ZMTP 2.0's and 3.0's subscription: a message of 01 or 00 and the prefix. */
static void
subscription(struct decode *decode)
{
    uint64_t what = decode_number(decode, decode_zmtp_head_len(decode->held[0]), 1);
    decode->in_message = false;
    decode->part = DECODE_CONTROL;
    decode_zmtp_head(decode, "");
    decode_value(decode, what);
    decode_element(decode, 1, "zmtp.subscription", "%s, as a message%s",
        what ? "subscribe" : "unsubscribe",
        decode->left == 0 ? ": the empty prefix, all messages" : "");
    if (decode->left == 0)
        decode_zmtp_next(decode);
    else
        decode_expect(decode, decode->left, decode_zmtp_prefix, "zmtp.prefix");
}

static void
envelope(struct decode *decode)
{
    uint64_t len = decode->left;
    enum decode_socket socket = decode->zmtp.socket;
    bool id = len == REQUEST_ID && (socket == SOCKET_REQ || peer_of(decode) == SOCKET_REQ);
    if (id)
        decode_value(decode, decode_number(decode, 0, REQUEST_ID));
    decode_text(decode, 0, len);
    decode_element(decode, len, id ? "zmtp.request_id" : "zmtp.envelope", "%s",
        id ? "request id (REQ_CORRELATE)" : "a frame of the envelope");
    decode_zmtp_next(decode);
}

static void
group(struct decode *decode)
{
    decode_text(decode, 0, decode->left);
    decode_element(
        decode, decode->left, "zmtp.group", "group %s", decode_quote(decode, 0, decode->left));
    decode_zmtp_next(decode);
}

/* These only receive messages. What is in a frame of theirs nobody can say. */
static bool
silent(const struct decode *decode)
{
    enum decode_socket socket = decode->zmtp.socket;
    return socket == SOCKET_SUB || socket == SOCKET_PULL || socket == SOCKET_DISH ||
        socket == SOCKET_GATHER;
}

/* One frame of a message whose kind is clear. */
static void
frame(struct decode *decode)
{
    bool more = decode->held[0] & FLAG_MORE;
    bool delimiter = decode->zmtp.envelope && decode_zmtp_body_len(decode, 0) == 0;
    decode->in_message = true;
    decode->zmtp.more = more;
    decode->frames++;
    decode->part = DECODE_FRAMING;
    decode_zmtp_head(decode, delimiter ? ": the empty delimiter, here the envelope ends" : "");
    if (delimiter) {
        decode->zmtp.envelope = false;
        decode_zmtp_next(decode);
    } else if (decode->zmtp.envelope) {
        decode_expect(decode, decode->left, envelope, "zmtp.envelope");
    } else if (decode->zmtp.group && decode->left > 0) {
        decode->zmtp.group = false;
        decode_expect(decode, decode->left, group, "zmtp.group");
    } else {
        decode->zmtp.group = false;
        decode->zmtp.typeless |= decode->zmtp.socket == SOCKET_UNKNOWN;
        decode->foreign_unknown = decode->zmtp.socket == SOCKET_UNKNOWN || silent(decode);
        decode_payload(decode, decode_zmtp_next);
    }
}

/* Is there an empty frame that ends an envelope? Called with more of the frames each time. */
static void
find_envelope(struct decode *decode)
{
    bool req = decode->zmtp.socket == SOCKET_REQ || peer_of(decode) == SOCKET_REQ;
    size_t at = 0;
    while (at < ENVELOPE_MAX) {
        if (decode->got < at + 2) {
            decode_expect(decode, at + 2, find_envelope, "zmtp.envelope");
            return;
        }
        size_t len = decode->held[at + 1];
        if (decode->held[at] != FLAG_MORE) /* the last, a long one, or no message's */
            break;
        /* REQ puts its id there, or nothing */
        decode->zmtp.envelope = len == 0 && (!req || at == 0 || at == 2 + REQUEST_ID);
        if (len == 0)
            break;
        at += 2 + len;
    }
    frame(decode);
}

static bool
may_have_envelope(const struct decode *decode)
{
    enum decode_socket mine = decode->zmtp.socket;
    enum decode_socket peer = peer_of(decode);
    return mine == SOCKET_REQ || mine == SOCKET_REP ||
        ((mine == SOCKET_DEALER || mine == SOCKET_ROUTER) &&
            (peer == SOCKET_REQ || peer == SOCKET_REP));
}

/* The head of the first frame and, of a subscriber, a byte of its body are there. */
static void
first(struct decode *decode)
{
    enum decode_socket socket = decode->zmtp.socket;
    bool more = decode->held[0] & FLAG_MORE;
    size_t head = decode_zmtp_head_len(decode->held[0]);
    bool subscriber = socket == SOCKET_SUB || socket == SOCKET_XSUB;
    if (subscriber && decode->got > head && decode->held[head] <= 1 && !more) {
        subscription(decode);
        return;
    }
    decode->message++;
    decode->zmtp.envelope = false;
    decode->zmtp.group = socket == SOCKET_RADIO && more;
    if (may_have_envelope(decode))
        find_envelope(decode);
    else
        frame(decode);
}

void
decode_zmtp_message(struct decode *decode)
{
    enum decode_socket socket = decode->zmtp.socket;
    bool subscriber = socket == SOCKET_SUB || socket == SOCKET_XSUB;
    if (decode_sealed(decode))
        sealed(decode);
    else if (decode->zmtp.more)
        frame(decode);
    else if (subscriber && decode_zmtp_body_len(decode, 0) > 0)
        decode_expect(decode, decode->got + 1, first, "zmtp.subscription");
    else
        first(decode);
}

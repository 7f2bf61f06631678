/*
 * Reads one direction of one connection and says what every byte is: ZMTP, SP,
 * raw's framing, and inside them our message. Fed in pieces of any size, with
 * the same result; trusts no length; keeps no more of an element than `show`
 * bytes (and what it must look ahead, under 1200), however long it claims to be.
 *
 * The elements cover the stream: each begins where the one before ended, and
 * after decode_end() no byte is left out. What is not understood is an element
 * too, "unknown.bytes".
 */
#ifndef DECODE_H
#define DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a byte is there for. */
enum decode_part {
    DECODE_HANDSHAKE, /* greetings and READY: paid once a connection */
    DECODE_CONTROL, /* subscriptions, heartbeats */
    DECODE_FRAMING, /* flags, lengths, request ids: paid once a message */
    DECODE_MESSAGE, /* what the application sent */
    DECODE_UNKNOWN, /* not understood, or cut off by the end */
};

/*
 * A hint. raw has no greeting. Its framing is read only where it is declared: by the user, or
 * by decode_probe.h, which has seen all of the conversation.
 */
enum decode_pattern {
    DECODE_ANY, /* what has a greeting; no raw */
    DECODE_REQREP, /* or raw's request/reply, where there is no greeting */
    DECODE_PUBSUB,
    DECODE_OTHER, /* no framing that we know: each byte is unknown */
    DECODE_BARE /* no frames: Triptych's messages, one behind the other */
};

struct decode_options {
    enum decode_pattern pattern; /* only raw's framing depends on it */
    bool from_client; /* these bytes come from the side that connected */
    size_t show; /* bytes of an element to keep and hand out; 0: 64 */
};

struct decode_element {
    uint64_t offset; /* in this direction, from 0 */
    uint64_t len;
    const unsigned char *data; /* its first data_len bytes */
    size_t data_len; /* less than len only if len is over `show` */
    const char *field; /* "zmtp.length": layer, dot, name; the dissector's too */
    const char *meaning; /* one line of ASCII for a reader */
    bool has_value;
    uint64_t value; /* of a number */
    const unsigned char *text; /* of a string, its bytes; else NULL */
    size_t text_len;
    enum decode_part part;
    uint64_t message; /* the message it belongs to, from 1; 0: to none */
};

struct decode;

/* Called for each element; its pointers are valid until it returns. */
typedef void decode_emit_fn(void *arg, const struct decode_element *element);

/* options may be NULL: all zero. 0, or -1 and ENOMEM. */
int decode_open(
    struct decode **ret, const struct decode_options *options, decode_emit_fn *emit, void *arg);

/*
 * These two are the directions of one connection: what one side has said of itself may decide
 * what the other one's frames mean. Feed them in the order in which the bytes arrived.
 */
void decode_pair(struct decode *a, struct decode *b);

/* The next bytes of the stream. 0, or -1 and ENOMEM: then it is only to be closed. */
int decode_feed(struct decode *decode, const void *data, size_t len);

/* The stream has ended: hands out what is still held. Nothing may follow but the close. */
void decode_end(struct decode *decode);

/* Frames that carry messages, so far. Where they are encrypted, nobody else can count messages. */
uint64_t decode_frames(const struct decode *decode);

/* Can nobody tell how many messages they make? They are encrypted, or the socket's type unknown. */
bool decode_uncounted(const struct decode *decode);

/* Accepts NULL. */
void decode_close(struct decode *decode);

/* "handshake", "control", "framing", "message", "unknown". */
const char *decode_part_name(enum decode_part part);

#endif

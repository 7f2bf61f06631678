/*
 * The message format, the same in every panel:
 *
 *     topic (0..255 bytes, no NUL) | 00 | version u8 = 1 | kind u8 | zero u16 |
 *     body length u32 | sequence u64 | sent u64 | body
 *
 * Integers are big-endian. The topic comes first, because ZeroMQ and nanomsg
 * both match subscriptions against a message's first bytes.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum message_kind {
    MESSAGE_REQUEST = 1,
    MESSAGE_REPLY = 2,
    MESSAGE_EVENT = 3,
    MESSAGE_ERROR = 4, /* the body: a UTF-8 sentence */
};

enum {
    MESSAGE_VERSION = 1,
    MESSAGE_TOPIC_MAX = 255, /* bytes */
    MESSAGE_HEADER = 25, /* bytes from the NUL after the topic to the body */
    MESSAGE_HEAD_MAX = MESSAGE_TOPIC_MAX + MESSAGE_HEADER,
};

struct message {
    const char *topic; /* not terminated; may be NULL if topic_len is 0 */
    size_t topic_len;
    enum message_kind kind;
    uint64_t sequence; /* from 1; an event's counts within its topic */
    uint64_t sent; /* CLOCK_MONOTONIC, nanoseconds */
    const void *body; /* may be NULL if body_len is 0 */
    size_t body_len;
};

/* The bytes of the whole message. */
size_t message_length(const struct message *message);

/*
 * Writes all that stands before the body to buf and returns its length, at most
 * MESSAGE_HEAD_MAX. EINVAL: a topic too long or with a NUL, or a body over
 * 2^32 - 1 bytes; EMSGSIZE: more than size bytes. buf is then untouched.
 */
ssize_t message_encode_head(
    const struct message *message, void *buf, size_t size);

/* The same with the body: writes the whole message, returns its length. */
ssize_t message_encode(const struct message *message, void *buf, size_t size);

/*
 * Reads the message that data holds, all of it and nothing else. topic and body
 * then point into data. EBADMSG: no such message; *ret is then untouched.
 */
int message_decode(struct message *ret, const void *data, size_t len);

#endif

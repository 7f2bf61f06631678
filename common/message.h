/*
 * The message format, the same in every panel:
 *
 *     topic (0..255 bytes, no NUL) | 00 | version u8 = 1 | kind u8 | zero u16 |
 *     body length u32 | sequence u64 | sent u64 | body
 *
 * Integers are big-endian. The topic comes first because ZeroMQ and nanomsg
 * compare subscriptions with the first bytes of a message.
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
    MESSAGE_ERROR = 4, /* the body is a sentence in UTF-8 */
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
    uint64_t sequence; /* from 1; events are counted within their topic */
    uint64_t sent; /* CLOCK_MONOTONIC, nanoseconds */
    const void *body; /* may be NULL if body_len is 0 */
    size_t body_len;
};

/* The length of the whole message in bytes. */
size_t message_length(const struct message *message);

/*
 * Writes everything before the body to buf and returns its length, which is at
 * most MESSAGE_HEAD_MAX. EINVAL: the topic is too long or contains a NUL, or
 * the body is longer than 2^32 - 1 bytes; EMSGSIZE: more than size bytes. On
 * failure, buf is untouched.
 */
ssize_t message_encode_head(
    const struct message *message, void *buf, size_t size);

/* Writes the whole message and returns its length. Fails likewise. */
ssize_t message_encode(const struct message *message, void *buf, size_t size);

/*
 * Decodes data, which must be exactly one message. topic and body then point
 * into data. EBADMSG: data is not a message, and *ret is untouched.
 */
int message_decode(struct message *ret, const void *data, size_t len);

#endif

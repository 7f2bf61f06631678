/*
 * The message format: see message.h. Written with shifts, byte by byte, so that
 * neither the machine's byte order nor its alignment matters; the compiler
 * makes single instructions of them.
 */
#include "message.h"

#include <errno.h>
#include <string.h>

static unsigned char *
put(unsigned char *p, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *p++ = (unsigned char)(value >> (8 * i));
    return p;
}

static uint64_t
get(const unsigned char *p, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

size_t
message_length(const struct message *message)
{
    return message->topic_len + MESSAGE_HEADER + message->body_len;
}

ssize_t
message_encode_head(const struct message *message, void *buf, size_t size)
{
    size_t head = message->topic_len + MESSAGE_HEADER;
    if (message->topic_len > MESSAGE_TOPIC_MAX ||
        message->body_len > UINT32_MAX ||
        (message->topic_len > 0 &&
            memchr(message->topic, 0, message->topic_len))) {
        errno = EINVAL;
        return -1;
    }
    if (head > size) {
        errno = EMSGSIZE;
        return -1;
    }
    unsigned char *p = buf;
    if (message->topic_len > 0)
        memcpy(p, message->topic, message->topic_len);
    p += message->topic_len;
    p = put(p, 0, 1);
    p = put(p, MESSAGE_VERSION, 1);
    p = put(p, message->kind, 1);
    p = put(p, 0, 2);
    p = put(p, message->body_len, 4);
    p = put(p, message->sequence, 8);
    put(p, message->sent, 8);
    return (ssize_t)head;
}

ssize_t
message_encode(const struct message *message, void *buf, size_t size)
{
    if (message->body_len > size) {
        errno = EMSGSIZE;
        return -1;
    }
    ssize_t head = message_encode_head(message, buf, size - message->body_len);
    if (head < 0)
        return -1;
    if (message->body_len > 0)
        memcpy((char *)buf + head, message->body, message->body_len);
    return head + (ssize_t)message->body_len;
}

int
message_decode(struct message *ret, const void *data, size_t len)
{
    const unsigned char *start = data;
    const unsigned char *p = NULL; /* the NUL that ends the topic */
    if (len >= MESSAGE_HEADER) {
        size_t most = len - MESSAGE_HEADER; /* bytes left for a topic */
        if (most > MESSAGE_TOPIC_MAX)
            most = MESSAGE_TOPIC_MAX;
        p = memchr(start, 0, most + 1);
    }
    if (!p)
        goto bad;

    uint64_t version = get(p + 1, 1);
    uint64_t kind = get(p + 2, 1);
    uint64_t zero = get(p + 3, 2);
    uint64_t body_len = get(p + 5, 4);
    const unsigned char *body = p + MESSAGE_HEADER;
    if (version != MESSAGE_VERSION || kind < MESSAGE_REQUEST ||
        kind > MESSAGE_ERROR || zero != 0 ||
        body_len != (size_t)(start + len - body))
        goto bad;

    *ret = (struct message){
        .topic = data,
        .topic_len = (size_t)(p - start),
        .kind = (enum message_kind)kind,
        .sequence = get(p + 9, 8),
        .sent = get(p + 17, 8),
        .body = body,
        .body_len = (size_t)body_len,
    };
    return 0;
bad:
    errno = EBADMSG;
    return -1;
}

/* The message format: see message.h. */
#include "message.h"

#include "bytes.h"

#include <errno.h>

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
    p[0] = 0; /* the topic's end */
    p[1] = MESSAGE_VERSION;
    p[2] = (unsigned char)message->kind;
    p[3] = p[4] = 0;
    put_u32(p + 5, (uint32_t)message->body_len);
    put_u64(p + 9, message->sequence);
    put_u64(p + 17, message->sent);
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
        /* Most messages have no topic: the NUL is then the first byte. */
        p = *start == 0 ? start : memchr(start, 0, most + 1);
    }
    if (!p)
        goto bad;

    unsigned kind = p[2];
    uint32_t body_len = get_u32(p + 5);
    const unsigned char *body = p + MESSAGE_HEADER;
    if (p[1] != MESSAGE_VERSION || kind < MESSAGE_REQUEST ||
        kind > MESSAGE_ERROR || p[3] != 0 || p[4] != 0 ||
        body_len != (size_t)(start + len - body))
        goto bad;

    *ret = (struct message){
        .topic = data,
        .topic_len = (size_t)(p - start),
        .kind = (enum message_kind)kind,
        .sequence = get_u64(p + 9),
        .sent = get_u64(p + 17),
        .body = body,
        .body_len = body_len,
    };
    return 0;
bad:
    errno = EBADMSG;
    return -1;
}

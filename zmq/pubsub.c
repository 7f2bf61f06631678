/*
 * Publish/subscribe over ZeroMQ. A SUB socket tells the publisher its prefixes,
 * and again when a connection has broken; a PUB socket filters, and keeps a
 * queue per subscriber, in a thread of the library. Left to us: the length of
 * that queue, what a peer may send, and a close that loses nothing.
 */
#include "pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "clock.h"

enum {
    RECONNECT_MS = 100,
    HANDSHAKE_MS = 1000, /* a silent connection is kept 30 s, else */
    LINGER_MS = 500, /* a close waits so long for messages on their way */
    PREFIX_TOLD = 245, /* bytes of a prefix that the publisher is told: from 246
                          to 255 the length of the command that tells it is
                          written wrongly (libzmq 4.3.4, v3_1_encoder.cpp) */
    PREFIX_LONG = 256, /* from here on it is right again */
};

struct pub {
    void *ctx;
    void *socket;
    size_t message_max;
    char *path; /* of ipc, bound: to be removed */
};

/* A subscription, as often as it was made. */
struct prefix {
    struct prefix *next;
    size_t len;
    char bytes[];
};

struct sub {
    void *ctx;
    void *socket;
    zmq_msg_t event; /* lent to the caller */
    size_t message_max;
    struct prefix *prefixes;
    unsigned cut; /* how many of them the publisher knows only in part */
};

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    int ipv6 = strchr(url, '[') != NULL;
    int handshake = HANDSHAKE_MS;
    int linger = LINGER_MS;
    int queue = tuning->queue;
    int64_t max = tuning->message_max ? (int64_t)tuning->message_max : -1;
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    pub->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    pub->ctx = zmq_ctx_new();
    if (!pub->ctx)
        goto fail;
    pub->socket = zmq_socket(pub->ctx, ZMQ_PUB);
    if (!pub->socket)
        goto fail;
    /* The high-water mark counts messages per subscriber; over it, the newest
     * are dropped (P3). */
    if (queue > 0 &&
        zmq_setsockopt(pub->socket, ZMQ_SNDHWM, &queue, sizeof(queue)) < 0)
        goto fail;
    /* A ZAP domain makes the library refuse peers older than ZMTP 3, and so
     * what merely looks like one, an HTTP request for instance (P7). */
    if (zmq_setsockopt(pub->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) < 0 ||
        zmq_setsockopt(
            pub->socket, ZMQ_HANDSHAKE_IVL, &handshake, sizeof(int)) < 0 ||
        zmq_setsockopt(pub->socket, ZMQ_ZAP_DOMAIN, "triptych", 8) < 0 ||
        zmq_setsockopt(pub->socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
        zmq_setsockopt(pub->socket, ZMQ_IPV6, &ipv6, sizeof(ipv6)) < 0)
        goto fail;
    if (zmq_bind(pub->socket, url) < 0)
        goto fail;
    if (strncmp(url, "ipc://", 6) == 0) {
        pub->path = strdup(url + 6);
        if (!pub->path)
            goto fail;
    }
    *ret = pub;
    return 0;
fail:;
    int errnum = errno;
    pub_close(pub);
    errno = errnum;
    return -1;
}

int
pub_send(struct pub *pub, const void *data, size_t len)
{
    if (len > pub->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    return zmq_send(pub->socket, data, len, 0) < 0 ? -1 : 0;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    (void)pub; /* its thread accepts, reads and writes meanwhile */
    return until_ns == 0 ? 0 : clock_sleep(until_ns);
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    if (pub->socket)
        (void)zmq_close(pub->socket); /* fails for an invalid one only */
    /* This is what waits for the last message (P6), as long as it lingers. */
    while (pub->ctx && zmq_ctx_term(pub->ctx) < 0 && errno == EINTR)
        ;
    if (pub->path)
        (void)unlink(pub->path); /* the library leaves it */
    free(pub->path);
    free(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    int ipv6 = strchr(url, '[') != NULL;
    int none = 0;
    int queue = tuning->queue;
    int reconnect = RECONNECT_MS;
    int timeout = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
    (void)zmq_msg_init(&sub->event); /* cannot fail: zmq_msg_init(3) */
    sub->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    sub->ctx = zmq_ctx_new();
    if (!sub->ctx)
        goto fail;
    sub->socket = zmq_socket(sub->ctx, ZMQ_SUB);
    if (!sub->socket)
        goto fail;
    if (queue > 0 &&
        zmq_setsockopt(sub->socket, ZMQ_RCVHWM, &queue, sizeof(queue)) < 0)
        goto fail;
    /* A subscription that has not left yet lingers like a message, and counts
     * as one: more than the high-water mark at once would be lost (P1). */
    if (zmq_setsockopt(sub->socket, ZMQ_LINGER, &none, sizeof(none)) < 0 ||
        zmq_setsockopt(sub->socket, ZMQ_SNDHWM, &none, sizeof(none)) < 0 ||
        zmq_setsockopt(sub->socket, ZMQ_RCVTIMEO, &timeout, sizeof(int)) < 0 ||
        zmq_setsockopt(
            sub->socket, ZMQ_RECONNECT_IVL, &reconnect, sizeof(int)) < 0 ||
        zmq_setsockopt(sub->socket, ZMQ_IPV6, &ipv6, sizeof(ipv6)) < 0 ||
        zmq_connect(sub->socket, url) < 0)
        goto fail;
    *ret = sub;
    return 0;
fail:;
    int errnum = errno;
    sub_close(sub);
    errno = errnum;
    return -1;
}

static size_t
told(size_t len)
{
    return len > PREFIX_TOLD && len < PREFIX_LONG ? PREFIX_TOLD : len;
}

int
sub_subscribe(struct sub *sub, const void *prefix, size_t len)
{
    struct prefix *new = malloc(sizeof(*new) + len);
    if (!new)
        return -1;
    if (zmq_setsockopt(sub->socket, ZMQ_SUBSCRIBE, prefix, told(len)) < 0) {
        free(new);
        return -1;
    }
    memcpy(new->bytes, prefix, len);
    new->len = len;
    new->next = sub->prefixes;
    sub->prefixes = new;
    sub->cut += told(len) < len;
    return 0;
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    struct prefix **link = &sub->prefixes;
    while (*link &&
        ((*link)->len != len || memcmp((*link)->bytes, prefix, len) != 0))
        link = &(*link)->next;
    struct prefix *old = *link;
    if (!old)
        return 0;
    if (zmq_setsockopt(sub->socket, ZMQ_UNSUBSCRIBE, prefix, told(len)) < 0)
        return -1;
    *link = old->next;
    free(old);
    sub->cut -= told(len) < len;
    return 0;
}

/* Whether an event was asked for, or came because a prefix was cut. */
static bool
is_wanted(const struct sub *sub, zmq_msg_t *event)
{
    size_t len = zmq_msg_size(event);
    if (sub->cut == 0)
        return true;
    for (const struct prefix *p = sub->prefixes; p; p = p->next) {
        if (p->len <= len && memcmp(p->bytes, zmq_msg_data(event), p->len) == 0)
            return true;
    }
    return false;
}

/* Reads away further parts: a message in parts is none of ours, and empty. */
static int
drop_parts(void *socket, zmq_msg_t *message)
{
    if (!zmq_msg_more(message))
        return 0;
    do {
        if (zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0)
            return -1;
    } while (zmq_msg_more(message));
    (void)zmq_msg_close(message); /* it was received, so it is valid */
    return zmq_msg_init(message);
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    do {
        if (zmq_msg_recv(&sub->event, sub->socket, 0) < 0 ||
            drop_parts(sub->socket, &sub->event) < 0) {
            if (errno == EAGAIN)
                errno = ETIMEDOUT;
            return -1;
        }
    } while (!is_wanted(sub, &sub->event));
    /* Not ZMQ_MAXMSGSIZE: on the side that connects, one message over it closes
     * the connection for good (P7). */
    if (zmq_msg_size(&sub->event) > sub->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    *data = zmq_msg_data(&sub->event);
    return (ssize_t)zmq_msg_size(&sub->event);
}

void
sub_close(struct sub *sub)
{
    struct prefix *prefix;
    if (!sub)
        return;
    (void)zmq_msg_close(&sub->event);
    if (sub->socket)
        (void)zmq_close(sub->socket);
    while (sub->ctx && zmq_ctx_term(sub->ctx) < 0 && errno == EINTR)
        ;
    while ((prefix = sub->prefixes)) {
        sub->prefixes = prefix->next;
        free(prefix);
    }
    free(sub);
}

/*
 * Publish/subscribe over ZeroMQ. A SUB socket sends its prefixes to the
 * publisher, and again after a connection breaks. A PUB socket filters and
 * keeps a queue per subscriber, in a thread of the library. Left to us: the
 * length of that queue, limits on what a peer may send, and a close that loses
 * nothing.
 */
#include "pattern.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "clock.h"
#include "interrupt.h"
#include "ipc_path.h"
#include "refusals.h"
#include "waiting.h"

enum {
    RECONNECT_MS = 100,
    HANDSHAKE_MS = 1000, /* the default keeps a silent connection for 30 s */
    LINGER_MS = 500, /* pub_close() waits at most so long for unsent messages */
    /* libzmq 4.3.4 writes a wrong length for the command that subscribes to a
     * prefix of 246 to 255 bytes (v3_1_encoder.cpp). */
    PREFIX_SHORT = 245, /* bytes; a prefix up to this length is sent whole */
    PREFIX_LONG = 256, /* bytes; and so is one from this length on */
};

struct pub {
    void *ctx;
    void *socket;
    struct pollfd wait[2]; /* for the socket, and for whom it refuses */
    struct refusals refusals;
    size_t message_max;
    struct ipc_path path; /* to remove; none for TCP */
};

/* A subscription; one made twice is in the list twice. */
struct prefix {
    struct prefix *next;
    size_t len;
    char bytes[];
};

struct sub {
    void *ctx;
    void *socket;
    struct pollfd wait; /* for what the socket has to do */
    zmq_msg_t event; /* lent to the caller */
    size_t message_max;
    int timeout_ms;
    struct prefix *prefixes;
    unsigned truncated; /* prefixes of which only a part was sent */
};

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    int ipv6 = strchr(url, '[') != NULL;
    int handshake = HANDSHAKE_MS;
    int linger = LINGER_MS;
    int queue = tuning->queue;
    size_t size = sizeof(int);
    int64_t max = tuning->message_max ? (int64_t)tuning->message_max : -1;
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    pub->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    pub->wait[0].events = pub->wait[1].events = POLLIN;
    pub->ctx = zmq_ctx_new();
    if (!pub->ctx)
        goto fail;
    pub->socket = zmq_socket(pub->ctx, ZMQ_PUB);
    if (!pub->socket)
        goto fail;
    /* The high-water mark counts messages per subscriber. When a queue has
     * reached it, the library drops new messages for that subscriber (P3). */
    if (queue > 0 &&
        zmq_setsockopt(pub->socket, ZMQ_SNDHWM, &queue, sizeof(queue)) < 0)
        goto fail;
    /* A ZAP domain makes the library refuse peers older than ZMTP 3, and so
     * anything that looks like one, such as an HTTP request (P7). */
    if (zmq_setsockopt(pub->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) < 0 ||
        zmq_setsockopt(
            pub->socket, ZMQ_HANDSHAKE_IVL, &handshake, sizeof(int)) < 0 ||
        zmq_setsockopt(pub->socket, ZMQ_ZAP_DOMAIN, "triptych", 8) < 0 ||
        zmq_setsockopt(pub->socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
        zmq_setsockopt(pub->socket, ZMQ_IPV6, &ipv6, sizeof(ipv6)) < 0 ||
        zmq_getsockopt(pub->socket, ZMQ_FD, &pub->wait[0].fd, &size) < 0)
        goto fail;
    if (refusals_watch(
            &pub->refusals, pub->ctx, pub->socket, &pub->wait[1].fd) < 0 ||
        zmq_bind(pub->socket, url) < 0 || ipc_path_take(&pub->path, url) < 0)
        goto fail;
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
    refusals_turn(&pub->refusals);
    return zmq_send(pub->socket, data, len, 0) < 0 ? -1 : 0;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    /* The library's thread accepts, reads and writes meanwhile. But the socket
     * takes what subscribers say only in a call, at most 1000 messages at a
     * time (its high-water mark). If a flood of them waited for the next
     * pub_send(), the end of its connection would be seen many seconds later
     * (P7). */
    sig_atomic_t seen = interrupts;
    int events;
    size_t size = sizeof(events);
    if (until_ns == 0) {
        refusals_read(&pub->refusals);
        return 0;
    }
    while (zmq_getsockopt(pub->socket, ZMQ_EVENTS, &events, &size) == 0 &&
        wait_readable(pub->wait, 2, until_ns, seen) == 0) {
        if (pub->wait[1].revents != 0)
            refusals_read(&pub->refusals);
    }
    return errno == ETIMEDOUT ? 0 : -1;
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    refusals_end(&pub->refusals, pub->socket);
    if (pub->socket)
        (void)zmq_close(pub->socket); /* fails only for an invalid one */
    /* This waits until the last message is sent (P6), at most LINGER_MS. */
    while (pub->ctx && zmq_ctx_term(pub->ctx) < 0 && errno == EINTR)
        ;
    ipc_path_remove(&pub->path); /* the library never does */
    free(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    int ipv6 = strchr(url, '[') != NULL;
    int none = 0;
    int queue = tuning->queue;
    int reconnect = RECONNECT_MS;
    size_t size = sizeof(int);
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
    (void)zmq_msg_init(&sub->event); /* cannot fail: zmq_msg_init(3) */
    sub->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    sub->timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    sub->wait.events = POLLIN;
    sub->ctx = zmq_ctx_new();
    if (!sub->ctx)
        goto fail;
    sub->socket = zmq_socket(sub->ctx, ZMQ_SUB);
    if (!sub->socket)
        goto fail;
    if (queue > 0 &&
        zmq_setsockopt(sub->socket, ZMQ_RCVHWM, &queue, sizeof(queue)) < 0)
        goto fail;
    /* An unsent subscription is a message, too, and those over the high-water
     * mark would be lost (P1). It does not linger, by default (xsub.cpp). */
    if (zmq_setsockopt(sub->socket, ZMQ_SNDHWM, &none, sizeof(none)) < 0 ||
        zmq_setsockopt(
            sub->socket, ZMQ_RECONNECT_IVL, &reconnect, sizeof(int)) < 0 ||
        zmq_setsockopt(sub->socket, ZMQ_IPV6, &ipv6, sizeof(ipv6)) < 0 ||
        zmq_getsockopt(sub->socket, ZMQ_FD, &sub->wait.fd, &size) < 0 ||
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

/* The number of bytes that are sent of a prefix of len bytes. */
static size_t
sent_len(size_t len)
{
    return len > PREFIX_SHORT && len < PREFIX_LONG ? PREFIX_SHORT : len;
}

int
sub_subscribe(struct sub *sub, const void *prefix, size_t len)
{
    struct prefix *new = malloc(sizeof(*new) + len);
    if (!new)
        return -1;
    if (zmq_setsockopt(sub->socket, ZMQ_SUBSCRIBE, prefix, sent_len(len)) < 0) {
        free(new);
        return -1;
    }
    memcpy(new->bytes, prefix, len);
    new->len = len;
    new->next = sub->prefixes;
    sub->prefixes = new;
    sub->truncated += sent_len(len) < len;
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
    if (zmq_setsockopt(sub->socket, ZMQ_UNSUBSCRIBE, prefix, sent_len(len)) < 0)
        return -1;
    *link = old->next;
    free(old);
    sub->truncated -= sent_len(len) < len;
    return 0;
}

/* Whether an event matches. It may not if a prefix was truncated. */
static bool
is_wanted(const struct sub *sub, zmq_msg_t *event)
{
    size_t len = zmq_msg_size(event);
    if (sub->truncated == 0)
        return true;
    for (const struct prefix *p = sub->prefixes; p; p = p->next) {
        if (p->len <= len && memcmp(p->bytes, zmq_msg_data(event), p->len) == 0)
            return true;
    }
    return false;
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    int64_t deadline = clock_deadline(sub->timeout_ms);
    sig_atomic_t seen = interrupts;
    do {
        if (interrupts != seen) {
            errno = EINTR;
            return -1;
        }
        while (receive(sub->socket, &sub->event) < 0) {
            if (errno != EAGAIN ||
                wait_readable(&sub->wait, 1, deadline, seen) < 0)
                return -1;
        }
    } while (!is_wanted(sub, &sub->event));
    /* ZMQ_MAXMSGSIZE would not do: on the connecting side, one message over it
     * closes the connection, and the library does not open it again (P7). */
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

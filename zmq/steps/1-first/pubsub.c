/*
 * Publish/subscribe as the first page of ZeroMQ's guide has it. A subscription
 * is an option of the SUB socket; no other option is set, so that the library's
 * defaults show. zmq/pubsub.c sets the options, each for its clause.
 */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "clock.h"

struct pub {
    void *ctx;
    void *socket;
};

struct sub {
    void *ctx;
    void *socket;
    zmq_msg_t event; /* lent to the caller */
};

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    (void)tuning;
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    pub->ctx = zmq_ctx_new();
    if (!pub->ctx)
        goto fail;
    pub->socket = zmq_socket(pub->ctx, ZMQ_PUB);
    if (!pub->socket)
        goto fail;
    if (zmq_bind(pub->socket, url) < 0)
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
    return zmq_send(pub->socket, data, len, 0) < 0 ? -1 : 0;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    (void)pub; /* the library's thread accepts, reads and writes meanwhile */
    return until_ns == 0 ? 0 : clock_sleep(until_ns);
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    if (pub->socket)
        (void)zmq_close(pub->socket); /* fails for an invalid one only */
    while (pub->ctx && zmq_ctx_term(pub->ctx) < 0 && errno == EINTR)
        ;
    free(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    (void)tuning;
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
    (void)zmq_msg_init(&sub->event); /* cannot fail: zmq_msg_init(3) */
    sub->ctx = zmq_ctx_new();
    if (!sub->ctx)
        goto fail;
    sub->socket = zmq_socket(sub->ctx, ZMQ_SUB);
    if (!sub->socket)
        goto fail;
    if (zmq_connect(sub->socket, url) < 0)
        goto fail;
    *ret = sub;
    return 0;
fail:;
    int errnum = errno;
    sub_close(sub);
    errno = errnum;
    return -1;
}

int
sub_subscribe(struct sub *sub, const void *prefix, size_t len)
{
    return zmq_setsockopt(sub->socket, ZMQ_SUBSCRIBE, prefix, len);
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    return zmq_setsockopt(sub->socket, ZMQ_UNSUBSCRIBE, prefix, len);
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    if (zmq_msg_recv(&sub->event, sub->socket, 0) < 0)
        return -1;
    *data = zmq_msg_data(&sub->event);
    return (ssize_t)zmq_msg_size(&sub->event);
}

void
sub_close(struct sub *sub)
{
    if (!sub)
        return;
    (void)zmq_msg_close(&sub->event);
    if (sub->socket)
        (void)zmq_close(sub->socket);
    while (sub->ctx && zmq_ctx_term(sub->ctx) < 0 && errno == EINTR)
        ;
    free(sub);
}

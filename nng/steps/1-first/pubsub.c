/*
 * Publish/subscribe as the first page of nanomsg's guide has it. A subscription
 * is an option of the SUB socket; no other option is set, so that the defaults
 * of the two libraries show. nng/pubsub.c sets the options, each for its
 * clause.
 */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>

#include <nanomsg/nn.h>
#include <nanomsg/pubsub.h>

#include "clock.h"

struct pub {
    int socket;
};

struct sub {
    int socket;
    void *event; /* lent to the caller */
};

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    (void)tuning;
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    pub->socket = nn_socket(AF_SP, NN_PUB);
    if (pub->socket < 0)
        goto fail;
    if (nn_bind(pub->socket, url) < 0)
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
    return nn_send(pub->socket, data, len, 0) < 0 ? -1 : 0;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    (void)pub; /* the library's threads accept, read and write meanwhile */
    return until_ns == 0 ? 0 : clock_sleep(until_ns);
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    if (pub->socket >= 0)
        (void)nn_close(pub->socket); /* fails for an invalid one only */
    free(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    (void)tuning;
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
    sub->socket = nn_socket(AF_SP, NN_SUB);
    if (sub->socket < 0)
        goto fail;
    if (nn_connect(sub->socket, url) < 0)
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
    return nn_setsockopt(sub->socket, NN_SUB, NN_SUB_SUBSCRIBE, prefix, len);
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    return nn_setsockopt(sub->socket, NN_SUB, NN_SUB_UNSUBSCRIBE, prefix, len);
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    if (sub->event)
        (void)nn_freemsg(sub->event); /* fails for an invalid one only */
    sub->event = NULL;
    int len = nn_recv(sub->socket, &sub->event, NN_MSG, 0);
    *data = sub->event;
    return len;
}

void
sub_close(struct sub *sub)
{
    if (!sub)
        return;
    if (sub->event)
        (void)nn_freemsg(sub->event);
    if (sub->socket >= 0)
        (void)nn_close(sub->socket);
    free(sub);
}

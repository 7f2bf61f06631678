/*
 * Publish/subscribe over the nn_ API, for two engines: nanomsg, and NNG, which
 * offers the same calls. A PUB socket sends everything to every subscriber, and
 * a SUB socket filters what arrives; it connects again when a connection
 * breaks. Left to us: the length of the queues, waiting that a signal ends, a
 * list of the prefixes, and a close that is not too early. Comments name the
 * engine where the two differ.
 */
#include "pattern.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <nanomsg/nn.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/tcp.h>

#include "clock.h"
#include "close.h"
#include "interrupt.h"
#include "ipc_path.h"
#include "receive.h"
#include "reconnect.h"

enum {
    EXCESS = 64 << 20, /* bytes over message_max that a subscriber receives */
    RECONNECT_MS = 100, /* NNG's default is a random time up to 1 s */
    LINGER_MS = 100, /* nn_close() loses what is still in the library, and
                        NN_LINGER does nothing; a pause of 20 ms is enough
                        (measured) */
    QUEUE_UNIT = 1024, /* bytes: nanomsg takes them as a kernel buffer's size,
                          NNG as one message of its queue */
#ifdef NNG_COMPAT_NN_H
    RECEIVE_MAX = 1,
    QUEUE_MAX = 8192,
#else
    RECEIVE_MAX = 0,
    QUEUE_MAX = INT_MAX / QUEUE_UNIT,
#endif
};

struct pub {
    int socket;
    size_t message_max;
    bool sent; /* some event, since pub_open() */
    struct ipc_path path; /* to remove; none for TCP */
};

/* A subscription; one made twice is in the list twice. */
struct prefix {
    struct prefix *next;
    size_t len;
    char bytes[];
};

struct sub {
    int socket;
    struct endpoint endpoint;
    void *event; /* lent to the caller */
    size_t message_max;
    int timeout_ms;
    struct prefix *prefixes;
};

/* Sets the options of both roles, before they bind or connect. */
static int
tune(int socket, const char *url, int queue_option, int queue, int receive_max)
{
    int on = 1;
    int reconnect = RECONNECT_MS;
    int bytes = (queue < QUEUE_MAX ? queue : QUEUE_MAX) * QUEUE_UNIT;
    if (nn_setsockopt(socket, NN_TCP, NN_TCP_NODELAY, &on, sizeof(on)) < 0 ||
        nn_setsockopt(socket, NN_SOL_SOCKET, NN_RECONNECT_IVL, &reconnect,
            sizeof(reconnect)) < 0 ||
        nn_setsockopt(socket, NN_SOL_SOCKET, NN_RCVMAXSIZE, &receive_max,
            sizeof(receive_max)) < 0 ||
        (queue > 0 &&
            nn_setsockopt(socket, NN_SOL_SOCKET, queue_option, &bytes,
                sizeof(bytes)) < 0))
        return -1;
#ifndef NNG_COMPAT_NN_H
    /* In nanomsg IPv6 is off by default; turning it on for an IPv4 address
     * aborts the process. NNG needs no option. */
    int ipv4only = strchr(url, '[') == NULL;
    if (nn_setsockopt(socket, NN_SOL_SOCKET, NN_IPV4ONLY, &ipv4only,
            sizeof(ipv4only)) < 0)
        return -1;
#else
    (void)url;
#endif
    return 0;
}

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    pub->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    pub->socket = nn_socket(AF_SP, NN_PUB);
    if (pub->socket < 0)
        goto fail;
    /* A message from a subscriber makes nanomsg abort (nn_xpub_in() in xpub.c).
     * With a limit of 0, it closes the connection instead; only an empty one is
     * within every limit (P7). NNG closes it in any case, and to it 0 means no
     * limit, so it gets 1. */
    if (tune(pub->socket, url, NN_SNDBUF, tuning->queue, RECEIVE_MAX) < 0)
        goto fail;
    if (nn_bind(pub->socket, url) < 0)
        goto fail;
    if (ipc_path_take(&pub->path, url) < 0)
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
    if (nn_send(pub->socket, data, len, NN_DONTWAIT) < 0)
        return -1;
    pub->sent = true;
    return 0;
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
    int64_t until = clock_deadline(LINGER_MS);
    while (pub->sent && clock_sleep(until) < 0 && errno == EINTR)
        ; /* P6 */
    /* The library removes whatever is at the path. */
    bool others = ipc_path_set_aside(&pub->path);
    if (pub->socket >= 0)
        close_socket(pub->socket);
    if (others)
        ipc_path_put_back(&pub->path);
    ipc_path_remove(&pub->path);
    free(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    int max = -1;
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
#ifdef NNG_COMPAT_NN_H
    /* An event over this limit costs the connection, a shorter one is left to
     * sub_recv() (P7). nanomsg gets no limit: a subscriber whose connection one
     * has closed may stay deaf (measured). */
    if (tuning->message_max > 0 && tuning->message_max < INT_MAX - EXCESS)
        max = (int)tuning->message_max + EXCESS;
#endif
    sub->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    sub->timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    sub->socket = nn_socket(AF_SP, NN_SUB);
    if (sub->socket < 0)
        goto fail;
    if (tune(sub->socket, url, NN_RCVBUF, tuning->queue, max) < 0 ||
        endpoint_open(&sub->endpoint, sub->socket, url) < 0)
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
    struct prefix *new = malloc(sizeof(*new) + len);
    if (!new)
        return -1;
    if (nn_setsockopt(sub->socket, NN_SUB, NN_SUB_SUBSCRIBE, prefix, len) < 0) {
        free(new);
        return -1;
    }
    memcpy(new->bytes, prefix, len);
    new->len = len;
    new->next = sub->prefixes;
    sub->prefixes = new;
    return 0;
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    /* For a prefix that was not subscribed, NNG fails; nanomsg crashes if it
     * has no subscription at all. So only those in the list are passed on. */
    struct prefix **link = &sub->prefixes;
    while (*link &&
        ((*link)->len != len || memcmp((*link)->bytes, prefix, len) != 0))
        link = &(*link)->next;
    struct prefix *old = *link;
    if (!old)
        return 0;
    /* NNG does not count: the first call removed both of two equal ones. */
    int result =
        nn_setsockopt(sub->socket, NN_SUB, NN_SUB_UNSUBSCRIBE, prefix, len);
    if (result < 0 && errno != ENOENT)
        return -1;
    *link = old->next;
    free(old);
    return 0;
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    if (sub->event)
        (void)nn_freemsg(sub->event); /* fails only for an invalid one */
    sub->event = NULL;
    int64_t deadline = clock_deadline(sub->timeout_ms);
    sig_atomic_t seen = interrupts;
    int len;
    do {
        if (interrupts != seen) {
            errno = EINTR;
            return -1;
        }
        /* nn_recv() could wait itself, but in NNG no signal ends it. */
        struct nn_pollfd pollfd = {.fd = sub->socket, .events = NN_POLLIN};
        int64_t due = sub->endpoint.due; /* P4 */
        int64_t until = due < deadline ? due : deadline;
        int ready = nn_poll(&pollfd, 1, clock_left_ms(until));
        if (ready == 0 && until < deadline) {
            endpoint_renew(&sub->endpoint);
            errno = EAGAIN;
        } else if (ready == 0)
            errno = ETIMEDOUT;
        len = ready > 0 ? receive(sub->socket, &sub->event, NN_DONTWAIT) : -1;
    } while (len < 0 && errno == EAGAIN);
    if (len < 0)
        return -1;
    if ((size_t)len > sub->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    *data = len > 0 ? sub->event : "";
    return len;
}

void
sub_close(struct sub *sub)
{
    struct prefix *prefix;
    if (!sub)
        return;
    if (sub->event)
        (void)nn_freemsg(sub->event);
    if (sub->socket >= 0)
        close_socket(sub->socket);
    while ((prefix = sub->prefixes)) {
        sub->prefixes = prefix->next;
        free(prefix);
    }
    free(sub);
}

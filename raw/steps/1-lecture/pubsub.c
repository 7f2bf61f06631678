/*
 * Publish/subscribe with the lecture's calls. A message is what a single call
 * of recv() returns. Every call blocks. The publisher has one subscriber, which
 * it accepts when it publishes for the first time; from then on it sends it
 * everything. The subscriber filters.
 */
#include "pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "sockaddr.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes, unless tuned */
    BACKLOG = 5, /* subscribers that wait to be accepted */
    PREFIX_MAX = 1024, /* bytes of a prefix */
};

struct conn {
    int fd; /* -1: none */
    unsigned char *data; /* what was received; lent to the caller */
};

struct prefix {
    struct prefix *next;
    size_t len;
    unsigned char bytes[];
};

struct pub {
    size_t max; /* bytes of a message */
    struct sockaddr_any address; /* bound; to be unlinked */
    int listener;
    struct conn subscriber;
};

struct sub {
    size_t max; /* bytes of a message */
    struct sockaddr_any address; /* the publisher's */
    struct conn conn;
    struct prefix *prefixes;
};

static int
prefix_add(struct prefix **list, const void *bytes, size_t len)
{
    struct prefix *p = malloc(sizeof(*p) + len);
    if (!p)
        return -1;
    p->len = len;
    memcpy(p->bytes, bytes, len);
    p->next = *list;
    *list = p;
    return 0;
}

/* Returns whether the list had it. */
static bool
prefix_remove(struct prefix **list, const void *bytes, size_t len)
{
    while (*list &&
        ((*list)->len != len || memcmp((*list)->bytes, bytes, len) != 0))
        list = &(*list)->next;
    struct prefix *old = *list;
    if (!old)
        return false;
    *list = old->next;
    free(old);
    return true;
}

/* Returns whether data begins with one of them. */
static bool
prefix_match(const struct prefix *list, const void *data, size_t len)
{
    while (
        list && (list->len > len || memcmp(list->bytes, data, list->len) != 0))
        list = list->next;
    return list;
}

static void
prefix_clear(struct prefix **list)
{
    while (*list)
        (void)prefix_remove(list, (*list)->bytes, (*list)->len);
}

/* No connection yet, and room for a message. */
static int
conn_init(struct conn *conn, size_t max)
{
    *conn = (struct conn){.fd = -1, .data = malloc(max)};
    return conn->data ? 0 : -1;
}

/*
 * Receives what is there, and takes it for a message. Returns its length,
 * and lends it until the next call.
 */
static ssize_t
conn_recv(struct conn *conn, size_t max, const void **data)
{
    ssize_t n = recv(conn->fd, conn->data, max, 0);
    if (n == 0)
        errno = ECONNRESET; /* the peer has closed the connection */
    if (n <= 0)
        return -1;
    *data = conn->data;
    return n;
}

static void
conn_drop(struct conn *conn)
{
    if (conn->fd >= 0)
        (void)close(conn->fd);
    conn->fd = -1;
}

static void
conn_close(struct conn *conn)
{
    conn_drop(conn);
    free(conn->data);
}

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    struct sockaddr_any address;
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    pub->listener = -1;
    pub->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    if (conn_init(&pub->subscriber, pub->max) < 0 ||
        sockaddr_parse(&address, url) < 0)
        goto fail;
    pub->listener = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (pub->listener < 0)
        goto fail;
    if (bind(pub->listener, &address.any, address.len) < 0)
        goto fail;
    pub->address = address;
    if (listen(pub->listener, BACKLOG) < 0)
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
    if (len > pub->max) {
        errno = EMSGSIZE;
        return -1;
    }
    if (pub->subscriber.fd < 0)
        pub->subscriber.fd = accept(pub->listener, NULL, NULL);
    if (pub->subscriber.fd < 0)
        return -1;
    if (send(pub->subscriber.fd, data, len, 0) < 0 && errno != EINTR)
        conn_drop(&pub->subscriber); /* it has left: the next one's turn */
    return 0;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    (void)pub;
    return until_ns == 0 ? 0 : clock_sleep(until_ns);
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    if (pub->listener >= 0)
        (void)close(pub->listener);
    conn_close(&pub->subscriber);
    if (pub->address.any.sa_family == AF_UNIX)
        (void)unlink(pub->address.un.sun_path);
    free(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
    sub->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    if (conn_init(&sub->conn, sub->max) < 0 ||
        sockaddr_parse(&sub->address, url) < 0)
        goto fail;
    sub->conn.fd = socket(sub->address.any.sa_family, SOCK_STREAM, 0);
    if (sub->conn.fd < 0)
        goto fail;
    if (connect(sub->conn.fd, &sub->address.any, sub->address.len) < 0)
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
    if (len > PREFIX_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    if (prefix_add(&sub->prefixes, prefix, len) < 0)
        return -1;
    return 0;
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    (void)prefix_remove(&sub->prefixes, prefix, len);
    return 0;
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    for (;;) {
        ssize_t len = conn_recv(&sub->conn, sub->max, data);
        if (len < 0)
            return -1;
        if (prefix_match(sub->prefixes, *data, (size_t)len))
            return len;
    }
}

void
sub_close(struct sub *sub)
{
    if (!sub)
        return;
    conn_close(&sub->conn);
    prefix_clear(&sub->prefixes);
    free(sub);
}

/*
 * Publish/subscribe in frames, since a stream has no messages.
 *
 *     publisher's          length u32 (of all that follows) | message
 *     subscriber's         length u32 | 01 prefix, or 00 prefix to unsubscribe
 *
 * The publisher still has one subscriber, and sends it everything. A subscriber
 * says what it wants, and nobody listens yet: it filters.
 */
#include "pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "clock.h"
#include "sockaddr.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes, unless tuned */
    BACKLOG = 5, /* subscribers that wait to be accepted */
    HEAD = 4, /* bytes before a message: its length */
};

struct conn {
    int fd; /* -1: none */
    unsigned char *data; /* what was received, as long as a message may be */
    size_t len; /* bytes in data */
    size_t done; /* bytes, from the first, that are no longer needed */
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
    int subscriber; /* -1: none */
};

struct sub {
    size_t max; /* bytes of a message */
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

/* Sends all of it: one send() may take only a part (P1). No SIGPIPE, and no end
 * halfway because of a signal. */
static int
send_all(int fd, const unsigned char *data, size_t len, int flags)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, data + sent, len - sent, flags | MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -1;
        sent += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int
send_frame(int fd, const void *data, size_t len)
{
    unsigned char head[HEAD];
    put_u32(head, (uint32_t)len);
    /* MSG_MORE: both leave in one segment, or Nagle's algorithm waits. */
    return send_all(fd, head, HEAD, len > 0 ? MSG_MORE : 0) < 0
        ? -1
        : send_all(fd, data, len, 0);
}

/* Receives what is there. ECONNRESET: the peer has closed the connection. */
static int
conn_read(struct conn *conn, size_t max)
{
    ssize_t n =
        recv(conn->fd, conn->data + conn->len, HEAD + max - conn->len, 0);
    if (n == 0)
        errno = ECONNRESET;
    if (n <= 0)
        return -1;
    conn->len += (size_t)n;
    return 0;
}

/* Makes room: removes what is done with. */
static void
conn_discard(struct conn *conn)
{
    size_t n = conn->done < conn->len ? conn->done : conn->len;
    conn->done -= n;
    conn->len -= n;
    if (n > 0)
        memmove(conn->data, conn->data + n, conn->len);
}

/*
 * Returns the length of the next message, which is lent until the next call.
 * EAGAIN: not all of it is there. EMSGSIZE: it is longer than max, and is
 * discarded.
 */
static ssize_t
conn_next(struct conn *conn, size_t max, const void **data)
{
    conn_discard(conn);
    errno = EAGAIN;
    if (conn->done > 0 || conn->len < HEAD)
        return -1;
    size_t len = get_u32(conn->data);
    if (len <= max && len > conn->len - HEAD)
        return -1;
    conn->done = HEAD + len;
    if (len > max) {
        conn_discard(conn);
        errno = EMSGSIZE;
        return -1;
    }
    *data = conn->data + HEAD;
    return (ssize_t)len;
}

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    int on = 1;
    struct sockaddr_any address;
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    pub->listener = pub->subscriber = -1;
    pub->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    if (sockaddr_parse(&address, url) < 0)
        goto fail;
    pub->listener = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (pub->listener < 0)
        goto fail;
    /* Else the port is held for a minute after a publisher has ended (P8). */
    if (setsockopt(pub->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) <
        0)
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
    if (pub->subscriber < 0)
        pub->subscriber = accept(pub->listener, NULL, NULL);
    if (pub->subscriber < 0)
        return -1;
    if (send_frame(pub->subscriber, data, len) < 0) {
        (void)close(pub->subscriber); /* it has left: the next one's turn */
        pub->subscriber = -1;
    }
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
    if (pub->subscriber >= 0)
        (void)close(pub->subscriber);
    if (pub->listener >= 0)
        (void)close(pub->listener);
    if (pub->address.any.sa_family == AF_UNIX)
        (void)unlink(pub->address.un.sun_path);
    free(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    struct sockaddr_any address;
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
    sub->conn.fd = -1;
    sub->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    sub->conn.data = malloc(HEAD + sub->max);
    if (!sub->conn.data || sockaddr_parse(&address, url) < 0)
        goto fail;
    sub->conn.fd = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (sub->conn.fd < 0)
        goto fail;
    if (connect(sub->conn.fd, &address.any, address.len) < 0)
        goto fail;
    *ret = sub;
    return 0;
fail:;
    int errnum = errno;
    sub_close(sub);
    errno = errnum;
    return -1;
}

static int
send_subscription(struct sub *sub, char what, const void *prefix, size_t len)
{
    unsigned char head[HEAD + 1] = {0, 0, 0, 0, (unsigned char)what};
    put_u32(head, (uint32_t)(1 + len));
    return send_all(sub->conn.fd, head, sizeof(head), len > 0 ? MSG_MORE : 0) <
            0
        ? -1
        : send_all(sub->conn.fd, prefix, len, 0);
}

int
sub_subscribe(struct sub *sub, const void *prefix, size_t len)
{
    if (prefix_add(&sub->prefixes, prefix, len) < 0)
        return -1;
    return send_subscription(sub, 1, prefix, len);
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    if (!prefix_remove(&sub->prefixes, prefix, len))
        return 0;
    return send_subscription(sub, 0, prefix, len);
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    for (;;) {
        ssize_t len = conn_next(&sub->conn, sub->max, data);
        if (len >= 0 && prefix_match(sub->prefixes, *data, (size_t)len))
            return len;
        if (len >= 0)
            continue;
        if (errno != EAGAIN)
            return -1;
        if (conn_read(&sub->conn, sub->max) < 0)
            return -1;
    }
}

void
sub_close(struct sub *sub)
{
    if (!sub)
        return;
    if (sub->conn.fd >= 0)
        (void)close(sub->conn.fd);
    prefix_clear(&sub->prefixes);
    free(sub->conn.data);
    free(sub);
}

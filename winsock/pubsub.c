/*
 * Publish/subscribe in frames, since a stream has no messages.
 *
 *     publisher's          length u32 (of all that follows) | message
 *     subscriber's         length u32 | 01 prefix, or 00 prefix to unsubscribe
 *
 * poll() tells which subscribers have said what they want, so that the
 * publisher has many of them, and sends to each only what it wants. A buffer
 * holds what a subscriber does not take yet; when it is full, that subscriber
 * loses messages, and the others do not.
 * A connection that could not be made, or has broken, is made again, and the
 * publisher is told the subscriptions again.
 */
#include "pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <winsock2.h>

#include "bytes.h"
#include "clock.h"
#include "sockaddr.h"
#include "sockets.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes, unless tuned */
    BACKLOG = 128, /* subscribers that wait to be accepted */
    HEAD = 4, /* bytes before a message: its length */
    PREFIX_MAX = 1024, /* bytes of a prefix */
    QUEUE = 1000, /* KiB that wait for a subscriber, unless tuned */
    QUEUE_MIN = 8 << 20, /* bytes that may wait in any case: one long message */
    READ_SIZE = 4096, /* bytes of a buffer at first; it doubles */
    ACCEPT_MS = 100, /* pause when no descriptor is free */
    LINGER_MS = 500, /* a close waits so long for messages on their way */
    RETRY_MS = 50, /* pause before the next attempt to connect */
    DRAIN_MAX = 16, /* reads before a close */
};

struct conn {
    SOCKET fd; /* INVALID_SOCKET: none */
    unsigned char *data; /* what was received */
    size_t size; /* bytes that data has room for */
    size_t len; /* bytes in data */
    size_t done; /* bytes, from the first, that are no longer needed */
    unsigned char *out; /* what is to be sent */
    size_t out_len; /* bytes in out */
    size_t out_sent; /* bytes of them, from the first, that have left */
};

struct prefix {
    struct prefix *next;
    size_t len;
    unsigned char bytes[];
};

struct subscriber {
    struct conn conn;
    struct prefix *prefixes;
};

struct pub {
    size_t max; /* bytes of a message */
    size_t queue; /* bytes that wait for a subscriber */
    SOCKET listener;
    int64_t accept_at; /* no descriptor is free: when to try again */
    struct subscriber *subscribers;
    WSAPOLLFD *polled; /* the listener, then the subscribers */
    size_t count; /* of subscribers */
};

struct sub {
    size_t max; /* bytes of a message */
    int timeout_ms;
    struct sockaddr_any address;
    struct conn conn;
    bool connecting;
    int64_t retry_at; /* no connection: when to try again */
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

/* Sends as much as the peer takes now. */
static int
conn_flush(struct conn *conn)
{
    while (conn->out_sent < conn->out_len) {
        /* Winsock counts in int, and knows no SIGPIPE. */
        int n = send(conn->fd, (const char *)conn->out + conn->out_sent,
            (int)(conn->out_len - conn->out_sent), 0);
        if (n < 0 && WSAGetLastError() == WSAEWOULDBLOCK)
            return 0;
        if (n < 0)
            return -1;
        conn->out_sent += (size_t)n;
    }
    free(conn->out);
    conn->out = NULL;
    conn->out_len = conn->out_sent = 0;
    return 0;
}

/* Sends a message, now or when the peer receives again. */
static int
conn_send(struct conn *conn, const void *data, size_t len)
{
    if (conn->out_sent > conn->out_len / 2) {
        conn->out_len -= conn->out_sent;
        memmove(conn->out, conn->out + conn->out_sent, conn->out_len);
        conn->out_sent = 0;
    }
    unsigned char *out = realloc(conn->out, conn->out_len + HEAD + len);
    if (!out)
        return -1;
    conn->out = out;
    out += conn->out_len;
    put_u32(out, (uint32_t)len);
    memcpy(out + HEAD, data, len);
    conn->out_len += HEAD + len;
    return conn_flush(conn);
}

/* Receives what is there. ECONNRESET: the peer has closed the connection. */
static int
conn_read(struct conn *conn)
{
    /* It grows with what arrives, not with what is announced (P7). */
    if (conn->len == conn->size) {
        size_t size = conn->size > 0 ? 2 * conn->size : READ_SIZE;
        unsigned char *in = realloc(conn->data, size);
        if (!in)
            return -1;
        conn->data = in;
        conn->size = size;
    }
    int n = recv(conn->fd, (char *)conn->data + conn->len,
        (int)(conn->size - conn->len), 0);
    if (n < 0 && WSAGetLastError() == WSAEWOULDBLOCK)
        return 0;
    if (n == 0)
        errno = ECONNRESET;
    if (n <= 0)
        return -1;
    conn->len += (size_t)n;
    return 0;
}

/* What poll() is to tell of it. */
static short
conn_events(const struct conn *conn)
{
    return conn->out_len > 0 ? POLLIN | POLLOUT : POLLIN;
}

/* Does what poll() has told. */
static int
conn_ready(struct conn *conn, short events)
{
    if ((events & POLLOUT) && conn_flush(conn) < 0)
        return -1;
    return events & ~POLLOUT ? conn_read(conn) : 0;
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

static void
conn_close(struct conn *conn)
{
    if (conn->fd != INVALID_SOCKET)
        (void)closesocket(conn->fd);
    free(conn->data);
    free(conn->out);
    *conn = (struct conn){.fd = INVALID_SOCKET};
}

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    BOOL exclusive = TRUE;
    u_long on = 1;
    struct sockaddr_any address;
    WSADATA data;
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    errno = WSAStartup(MAKEWORD(2, 2), &data);
    if (errno != 0) {
        free(pub);
        return -1;
    }
    pub->listener = INVALID_SOCKET;
    pub->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    pub->queue = (size_t)(tuning->queue ? tuning->queue : QUEUE) << 10;
    if (pub->queue < QUEUE_MIN)
        pub->queue = QUEUE_MIN;
    pub->polled = calloc(1, sizeof(*pub->polled));
    if (!pub->polled || sockaddr_parse(&address, url) < 0)
        goto fail;
    pub->listener = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (pub->listener == INVALID_SOCKET ||
        ioctlsocket(pub->listener, FIONBIO, &on) != 0)
        goto refused;
    /* No SO_REUSEADDR: on Windows it lets a second server take the port while
     * the first one has it. This forbids that to everybody (P8; see README). */
    if (setsockopt(pub->listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE,
            (const char *)&exclusive, sizeof(exclusive)) != 0)
        goto refused;
    if (bind(pub->listener, &address.any, address.len) != 0)
        goto refused;
    if (listen(pub->listener, BACKLOG) != 0)
        goto refused;
    *ret = pub;
    return 0;
refused:
    errno = errno_of(WSAGetLastError());
fail:;
    int errnum = errno;
    pub_close(pub);
    errno = errnum;
    return -1;
}

/* Accepts a subscriber, into a free place or a new one. */
static int
accept_subscriber(struct pub *pub)
{
    u_long on = 1;
    size_t i = 0;
    while (i < pub->count && pub->subscribers[i].conn.fd != INVALID_SOCKET)
        i++;
    if (i == pub->count) {
        struct subscriber *subscribers =
            realloc(pub->subscribers, (i + 1) * sizeof(*subscribers));
        if (!subscribers)
            return -1;
        pub->subscribers = subscribers;
        WSAPOLLFD *polled = realloc(pub->polled, (i + 2) * sizeof(*polled));
        if (!polled)
            return -1;
        pub->polled = polled;
        pub->subscribers[pub->count++] =
            (struct subscriber){.conn.fd = INVALID_SOCKET};
    }
    pub->subscribers[i].conn.fd = accept(pub->listener, NULL, NULL);
    return pub->subscribers[i].conn.fd == INVALID_SOCKET
        ? -1
        : ioctlsocket(pub->subscribers[i].conn.fd, FIONBIO, &on);
}

static void
drop_subscriber(struct subscriber *subscriber)
{
    conn_close(&subscriber->conn);
    prefix_clear(&subscriber->prefixes);
}

/* Hears what a subscriber wants. -1: it has left, or speaks otherwise. */
static int
hear_subscriber(struct subscriber *subscriber, short events)
{
    const void *data;
    ssize_t len;
    if (conn_ready(&subscriber->conn, events) < 0)
        return -1;
    while ((len = conn_next(&subscriber->conn, 1 + PREFIX_MAX, &data)) > 0) {
        const unsigned char *what = data;
        if (what[0] == 0)
            (void)prefix_remove(
                &subscriber->prefixes, what + 1, (size_t)len - 1);
        else if (prefix_add(&subscriber->prefixes, what + 1, (size_t)len - 1) <
            0)
            return -1;
    }
    return len < 0 && errno == EAGAIN ? 0 : -1;
}

/*
 * Waits for subscribers; accepts a new one, hears the others, and sends them
 * what waits. ETIMEDOUT: nothing until then.
 */
static int
wait_for_subscribers(struct pub *pub, int64_t deadline)
{
    bool full = clock_now() < pub->accept_at;
    int64_t until =
        full && pub->accept_at < deadline ? pub->accept_at : deadline;
    pub->polled[0] = (WSAPOLLFD){
        .fd = full ? INVALID_SOCKET : pub->listener,
        .events = POLLIN,
    };
    for (size_t i = 0; i < pub->count; i++) {
        pub->polled[i + 1] = (WSAPOLLFD){
            .fd = pub->subscribers[i].conn.fd,
            .events = conn_events(&pub->subscribers[i].conn),
        };
    }
    int ready = poll_sockets(pub->polled, pub->count + 1, clock_left_ms(until));
    if (ready < 0)
        return -1;
    for (size_t i = 0; i < pub->count; i++) {
        struct subscriber *subscriber = &pub->subscribers[i];
        short events = pub->polled[i + 1].revents;
        if (events && hear_subscriber(subscriber, events) < 0)
            drop_subscriber(subscriber);
    }
    /* Others wait in the backlog until a descriptor is free (P7). */
    if (pub->polled[0].revents && accept_subscriber(pub) < 0)
        pub->accept_at = clock_deadline(ACCEPT_MS);
    errno = ETIMEDOUT;
    return ready > 0 || clock_now() < deadline ? 0 : -1;
}

int
pub_send(struct pub *pub, const void *data, size_t len)
{
    if (len > pub->max) {
        errno = EMSGSIZE;
        return -1;
    }
    if (wait_for_subscribers(pub, 0) < 0 && errno != ETIMEDOUT)
        return -1;
    for (size_t i = 0; i < pub->count; i++) {
        struct subscriber *subscriber = &pub->subscribers[i];
        struct conn *conn = &subscriber->conn;
        size_t waiting = conn->out_len - conn->out_sent;
        if (waiting > 0 && waiting + len > pub->queue)
            continue; /* it is behind by more than the queue: P3 */
        if (prefix_match(subscriber->prefixes, data, len) &&
            conn_send(conn, data, len) < 0)
            drop_subscriber(subscriber); /* it has left */
    }
    return 0;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    while (wait_for_subscribers(pub, until_ns) == 0)
        ;
    return errno == ETIMEDOUT ? 0 : -1;
}

/* If bytes are unread at the close, the kernel sends a reset, and drops what it
 * has not sent yet: perhaps the last message (P6). Reads them first. */
static void
conn_drain(struct conn *conn)
{
    char unread[READ_SIZE];
    for (int i = 0; i < DRAIN_MAX && conn->fd != INVALID_SOCKET &&
         recv(conn->fd, unread, sizeof(unread), 0) > 0;
         i++)
        ;
}

/* Whether messages wait for subscribers that do not receive. */
static bool
has_messages(const struct pub *pub)
{
    size_t i = 0;
    while (i < pub->count && pub->subscribers[i].conn.out_len == 0)
        i++;
    return i < pub->count;
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    int64_t deadline = clock_deadline(LINGER_MS);
    while (has_messages(pub) &&
        (wait_for_subscribers(pub, deadline) == 0 || errno == EINTR))
        ;
    if (pub->listener != INVALID_SOCKET)
        (void)closesocket(pub->listener);
    for (size_t i = 0; i < pub->count; i++) {
        conn_drain(&pub->subscribers[i].conn);
        drop_subscriber(&pub->subscribers[i]);
    }
    free(pub->subscribers);
    free(pub->polled);
    (void)WSACleanup(); /* one for each WSAStartup() */
    free(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    WSADATA data;
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
    errno = WSAStartup(MAKEWORD(2, 2), &data);
    if (errno != 0) {
        free(sub);
        return -1;
    }
    sub->conn.fd = INVALID_SOCKET;
    sub->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    sub->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    if (sockaddr_parse(&sub->address, url) < 0)
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
    unsigned char text[1 + PREFIX_MAX] = {(unsigned char)what};
    if (len > PREFIX_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    memcpy(text + 1, prefix, len);
    return conn_send(&sub->conn, text, 1 + len);
}

/* The connection has broken. The next publisher knows nothing of us. */
static void
disconnect(struct sub *sub)
{
    if (sub->conn.fd != INVALID_SOCKET)
        (void)closesocket(sub->conn.fd);
    sub->conn.fd = INVALID_SOCKET;
    sub->conn.len = sub->conn.done = 0;
    sub->conn.out_len = sub->conn.out_sent = 0;
    sub->connecting = false;
    sub->retry_at = clock_deadline(RETRY_MS);
}

/* Begins to connect (P4). Refusal comes now, or when poll() tells. */
static void
begin_to_connect(struct sub *sub)
{
    u_long on = 1;
    sub->conn.fd = socket(sub->address.any.sa_family, SOCK_STREAM, 0);
    sub->connecting = true;
    if (sub->conn.fd == INVALID_SOCKET ||
        ioctlsocket(sub->conn.fd, FIONBIO, &on) != 0 ||
        (connect(sub->conn.fd, &sub->address.any, sub->address.len) != 0 &&
            WSAGetLastError() != WSAEWOULDBLOCK))
        disconnect(sub);
}

static bool
is_connected(const struct sub *sub)
{
    return sub->conn.fd != INVALID_SOCKET && !sub->connecting;
}

int
sub_subscribe(struct sub *sub, const void *prefix, size_t len)
{
    if (prefix_add(&sub->prefixes, prefix, len) < 0)
        return -1;
    if (is_connected(sub) && send_subscription(sub, 1, prefix, len) < 0)
        disconnect(sub);
    return 0;
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    if (!prefix_remove(&sub->prefixes, prefix, len))
        return 0;
    if (is_connected(sub) && send_subscription(sub, 0, prefix, len) < 0)
        disconnect(sub);
    return 0;
}

/* poll() has told: the connection is made (P4), or was refused. */
static int
end_connecting(struct sub *sub)
{
    int error = 0;
    socklen_t len = sizeof(error);
    struct sockaddr_any self = {.len = sizeof(self.storage)};
    sub->connecting = false;
    if (getsockopt(sub->conn.fd, SOL_SOCKET, SO_ERROR, (char *)&error, &len) !=
            0 ||
        error != 0)
        return -1;
    /* On a port where nobody listens, a socket may connect to itself: TCP's
     * simultaneous open (RFC 9293, 3.5). */
    if (getsockname(sub->conn.fd, &self.any, &self.len) != 0 ||
        (self.len == sub->address.len &&
            memcmp(&self.any, &sub->address.any, self.len) == 0))
        return -1;
    for (const struct prefix *p = sub->prefixes; p; p = p->next) {
        if (send_subscription(sub, 1, p->bytes, p->len) < 0)
            return -1;
    }
    return 0;
}

/*
 * Waits for the publisher, connecting where there is no connection. ETIMEDOUT:
 * nothing until then.
 */
static int
wait_for_publisher(struct sub *sub, int64_t deadline)
{
    if (sub->conn.fd == INVALID_SOCKET && clock_now() >= sub->retry_at)
        begin_to_connect(sub);
    bool pause = sub->conn.fd == INVALID_SOCKET && sub->retry_at < deadline;
    WSAPOLLFD polled = {
        .fd = sub->conn.fd,
        .events = sub->connecting ? POLLOUT : conn_events(&sub->conn),
    };
    int ready = poll_sockets(
        &polled, 1, clock_left_ms(pause ? sub->retry_at : deadline));
    if (ready < 0)
        return -1;
    if (ready > 0 &&
        (sub->connecting ? end_connecting(sub)
                         : conn_ready(&sub->conn, polled.revents)) < 0)
        disconnect(sub);
    errno = ETIMEDOUT;
    return ready > 0 || clock_now() < deadline ? 0 : -1;
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    int64_t deadline = clock_deadline(sub->timeout_ms);
    for (;;) {
        ssize_t len = conn_next(&sub->conn, sub->max, data);
        if (len >= 0 && prefix_match(sub->prefixes, *data, (size_t)len))
            return len;
        if (len >= 0)
            continue;
        if (errno != EAGAIN || wait_for_publisher(sub, deadline) < 0)
            return -1;
    }
}

void
sub_close(struct sub *sub)
{
    if (!sub)
        return;
    conn_close(&sub->conn);
    prefix_clear(&sub->prefixes);
    (void)WSACleanup(); /* one for each WSAStartup() */
    free(sub);
}

/*
 * Publish/subscribe in frames, since a stream has no messages:
 *
 *     publisher's          length u32 (of all that follows) | message
 *     subscriber's         length u32 | 01 prefix, or 00 prefix to unsubscribe
 *
 * poll() tells which subscribers have said what they want, so that the
 * publisher has many of them, and sends to each only that. What one does not
 * take yet waits in a queue; when that is full, it loses messages, it alone. A
 * connection that could not be made, or has broken, is made again, and the
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
    CHUNK = 1 << 16, /* bytes that one recv() takes at most */
    PREFIX_MAX = 1024, /* bytes of a prefix */
    QUEUE = 1000, /* KiB that wait for a subscriber, unless tuned */
    QUEUE_MIN = 8 << 20, /* bytes that may wait in any case: one long message */
    ACCEPT_MS = 100, /* pause when no descriptor is free */
    LINGER_MS = 500, /* a close waits so long for messages on their way */
    RETRY_MS = 50, /* pause before the next attempt to connect */
    DRAIN_MAX = 16, /* reads of what nobody wants any more */
};

struct conn {
    SOCKET fd; /* INVALID_SOCKET: none */
    unsigned char *data; /* what was received; lent to the caller */
    size_t len; /* bytes of a message that have been received */
    unsigned char *out; /* what is sent */
    size_t out_len; /* bytes in out; 0: nothing waits */
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
    int64_t accept_at; /* no descriptor is free: when to try again */
    SOCKET listener;
    struct subscriber *subscribers;
    WSAPOLLFD *polled; /* the listener, then the subscribers */
    size_t count; /* of subscribers */
};

struct sub {
    size_t max; /* bytes of a message */
    int timeout_ms;
    struct sockaddr_any address; /* the publisher's */
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

/* No connection yet, and room for a message. */
static int
conn_init(struct conn *conn, size_t max)
{
    *conn =
        (struct conn){.fd = INVALID_SOCKET, .data = malloc(HEAD + max + CHUNK)};
    return conn->data ? 0 : -1;
}

/* Sends as much of it as the peer takes now. */
static int
conn_flush(struct conn *conn)
{
    while (conn->out_sent < conn->out_len) {
        /* Winsock counts in int, and knows no SIGPIPE. */
        int n = send(conn->fd, (const char *)conn->out + conn->out_sent,
            (int)(conn->out_len - conn->out_sent), 0);
        if (n < 0 && WSAGetLastError() == WSAEWOULDBLOCK)
            return 0;
        if (n < 0) {
            errno = ECONNRESET;
            return -1;
        }
        conn->out_sent += (size_t)n;
    }
    conn->out_len = conn->out_sent = 0;
    return 0;
}

/* Sends a message behind its length. One send() may take only a part (P1). */
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

/*
 * Receives what is there of a message. EAGAIN: the rest is to come (P1).
 * EMSGSIZE: it is longer than max; the rest is thrown away. Returns its length,
 * and lends it until the next call.
 */
static ssize_t
conn_recv(struct conn *conn, size_t max, const void **data)
{
    size_t want = conn->len < HEAD ? HEAD : 4 + (size_t)get_u32(conn->data);
    size_t at = want > HEAD + max ? HEAD : conn->len; /* too long: not kept */
    int n = recv(conn->fd, (char *)conn->data + at,
        (int)(want - conn->len < CHUNK ? want - conn->len : CHUNK), 0);
    errno = n < 0 && WSAGetLastError() == WSAEWOULDBLOCK ? EAGAIN : ECONNRESET;
    if (n <= 0)
        return -1;
    conn->len += (size_t)n;
    if (conn->len >= HEAD)
        want = 4 + (size_t)get_u32(conn->data);
    errno = want > HEAD + max && conn->len == HEAD ? EMSGSIZE : EAGAIN;
    if (conn->len < want)
        return -1;
    conn->len = 0;
    *data = conn->data + HEAD;
    return want - HEAD <= max ? (ssize_t)(want - HEAD) : -1;
}

static void
conn_drop(struct conn *conn)
{
    if (conn->fd != INVALID_SOCKET)
        (void)closesocket(conn->fd);
    conn->fd = INVALID_SOCKET;
    conn->len = conn->out_len = conn->out_sent = 0;
}

static void
conn_close(struct conn *conn)
{
    conn_drop(conn);
    free(conn->data);
    free(conn->out);
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
        if (conn_init(&subscribers[i].conn, 1 + PREFIX_MAX) < 0)
            return -1;
        subscribers[i].prefixes = NULL;
        pub->count++;
    }
    struct conn *conn = &pub->subscribers[i].conn;
    conn->fd = accept(pub->listener, NULL, NULL);
    return conn->fd == INVALID_SOCKET ? -1
                                      : ioctlsocket(conn->fd, FIONBIO, &on);
}

static void
drop_subscriber(struct subscriber *subscriber)
{
    conn_drop(&subscriber->conn);
    prefix_clear(&subscriber->prefixes);
}

/* Hears what a subscriber wants. -1: it has left, or speaks otherwise. */
static int
hear_subscriber(struct subscriber *subscriber)
{
    const void *data = NULL;
    ssize_t len = conn_recv(&subscriber->conn, 1 + PREFIX_MAX, &data);
    const unsigned char *text = data;
    if (len < 0 && errno == EAGAIN)
        return 0;
    if (len < 1 || text[0] > 1)
        return -1;
    if (text[0] == 1)
        return prefix_add(&subscriber->prefixes, text + 1, (size_t)len - 1);
    (void)prefix_remove(&subscriber->prefixes, text + 1, (size_t)len - 1);
    return 0;
}

/* Waits for subscribers; sends them what waits, hears them, and accepts a new
 * one. ETIMEDOUT: nothing came. */
static int
wait_for_subscribers(struct pub *pub, int64_t deadline)
{
    bool full = clock_now() < pub->accept_at;
    int64_t until =
        full && pub->accept_at < deadline ? pub->accept_at : deadline;
    pub->polled[0] = (WSAPOLLFD){.fd = pub->listener, .events = POLLIN};
    if (full)
        pub->polled[0].fd = INVALID_SOCKET;
    for (size_t i = 0; i < pub->count; i++) {
        struct conn *conn = &pub->subscribers[i].conn;
        pub->polled[i + 1] = (WSAPOLLFD){.fd = conn->fd, .events = POLLIN};
        if (conn->out_len > 0)
            pub->polled[i + 1].events |= POLLOUT;
    }
    int ready = poll_sockets(pub->polled, pub->count + 1, clock_left_ms(until));
    if (ready < 0)
        return -1;
    for (size_t i = 0; i < pub->count; i++) {
        struct subscriber *subscriber = &pub->subscribers[i];
        if (pub->polled[i + 1].revents &&
            (conn_flush(&subscriber->conn) < 0 ||
                hear_subscriber(subscriber) < 0))
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
        if (conn->out_len > 0 &&
            conn->out_len - conn->out_sent + len > pub->queue)
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
    char unread[4096];
    for (int i = 0; i < DRAIN_MAX && conn->fd != INVALID_SOCKET &&
         recv(conn->fd, unread, sizeof(unread), 0) > 0;
         i++)
        ;
}

/* Drops the subscribers that have all, and returns whether these are all. */
static bool
drop_served(struct pub *pub)
{
    bool all = true;
    for (size_t i = 0; i < pub->count; i++) {
        if (pub->subscribers[i].conn.out_len > 0)
            all = false;
        else {
            conn_drain(&pub->subscribers[i].conn);
            drop_subscriber(&pub->subscribers[i]);
        }
    }
    return all;
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    if (pub->listener != INVALID_SOCKET)
        (void)closesocket(pub->listener);
    pub->listener = INVALID_SOCKET;
    int64_t deadline = clock_deadline(LINGER_MS);
    while (!drop_served(pub) &&
        (wait_for_subscribers(pub, deadline) == 0 || errno == EINTR))
        ;
    for (size_t i = 0; i < pub->count; i++) {
        prefix_clear(&pub->subscribers[i].prefixes);
        conn_close(&pub->subscribers[i].conn);
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
    sub->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    sub->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    if (conn_init(&sub->conn, sub->max) < 0 ||
        sockaddr_parse(&sub->address, url) < 0)
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
    memcpy(text + 1, prefix, len);
    return conn_send(&sub->conn, text, 1 + len);
}

/* The next publisher knows nothing of us. */
static void
disconnect(struct sub *sub)
{
    conn_drop(&sub->conn);
    sub->connecting = false;
    sub->retry_at = clock_deadline(RETRY_MS);
}

static bool
is_connected(const struct sub *sub)
{
    return sub->conn.fd != INVALID_SOCKET && !sub->connecting;
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

/* Waits for these events, or until what waits can leave. ETIMEDOUT: neither. */
static int
conn_wait(struct conn *conn, short events, int64_t deadline)
{
    WSAPOLLFD polled = {.fd = conn->fd, .events = events};
    if (conn->out_len > 0)
        polled.events |= POLLOUT;
    int ready = poll_sockets(&polled, 1, clock_left_ms(deadline));
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 ? 0 : -1;
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

/* poll() has told: the connection is made (P4), or was refused. */
static int
end_connecting(struct sub *sub)
{
    int error = 0;
    socklen_t len = sizeof(error);
    struct sockaddr_any self = {.len = sizeof(self.storage)};
    sub->connecting = false;
    errno = ECONNREFUSED;
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

/* Waits for the publisher, connecting where there is no connection; sends what
 * waits, and receives what is there. */
static ssize_t
wait_for_publisher(struct sub *sub, int64_t deadline, const void **data)
{
    if (sub->conn.fd == INVALID_SOCKET && clock_now() >= sub->retry_at)
        begin_to_connect(sub);
    bool pause = sub->conn.fd == INVALID_SOCKET && sub->retry_at < deadline;
    if (conn_wait(&sub->conn, sub->connecting ? POLLOUT : POLLIN,
            pause ? sub->retry_at : deadline) < 0) {
        if (errno == ETIMEDOUT && pause)
            errno = EAGAIN; /* connects again */
        return -1;
    }
    ssize_t len = -1;
    if ((!sub->connecting || end_connecting(sub) == 0) &&
        conn_flush(&sub->conn) == 0)
        len = conn_recv(&sub->conn, sub->max, data);
    if (len < 0 && errno == EAGAIN) /* that was the head */
        len = conn_recv(&sub->conn, sub->max, data);
    if (len < 0 && errno != EAGAIN && errno != EMSGSIZE) {
        disconnect(sub);
        errno = EAGAIN;
    }
    return len;
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    int64_t deadline = clock_deadline(sub->timeout_ms);
    for (;;) {
        ssize_t len = wait_for_publisher(sub, deadline, data);
        if (len < 0 && errno == EAGAIN)
            continue;
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
    (void)WSACleanup(); /* one for each WSAStartup() */
    free(sub);
}

/*
 * Request/reply in frames, since a stream has no messages:
 *
 *     length u32 (of all that follows) | request id u32 (unused) | message
 *
 * poll() tells which clients have sent something, so that the server serves
 * them all. Once connected, no call but poll() waits for a peer, and poll() has
 * a time limit; what a peer does not take yet waits in a buffer.
 */
#include "pattern.h"

#include <errno.h>
#include <poll.h>
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
    BACKLOG = 128, /* clients that wait to be accepted */
    HEAD = 8, /* bytes before a message: its length and the request id */
    CHUNK = 1 << 16, /* bytes that one recv() takes at most */
    ACCEPT_MS = 100, /* pause when no descriptor is free */
    LINGER_MS = 500, /* a close waits so long for replies on their way */
};

struct conn {
    int fd; /* -1: none */
    unsigned char *data; /* what was received; lent to the caller */
    size_t len; /* bytes of a message that have been received */
    uint32_t id; /* of the message received last */
    unsigned char *out; /* what is sent */
    size_t out_len; /* bytes in out; 0: nothing waits */
    size_t out_sent; /* bytes of them, from the first, that have left */
};

struct req {
    size_t max; /* bytes of a message */
    int timeout_ms;
    bool pending; /* the reply has not come */
    struct sockaddr_any address; /* the server's */
    struct conn conn;
};

struct rep {
    size_t max; /* bytes of a message */
    int timeout_ms;
    bool pending; /* the request has not been answered */
    int64_t accept_at; /* no descriptor is free: when to try again */
    struct sockaddr_any address; /* bound; to be unlinked */
    int listener;
    struct conn *clients;
    struct pollfd *polled; /* the listener, then the clients */
    size_t count; /* of clients */
    size_t current; /* the client whose request was received last */
};

/* No connection yet, and room for a message. */
static int
conn_init(struct conn *conn, size_t max)
{
    *conn = (struct conn){.fd = -1, .data = malloc(HEAD + max + CHUNK)};
    return conn->data ? 0 : -1;
}

/* Sends as much of it as the peer takes now. */
static int
conn_flush(struct conn *conn)
{
    while (conn->out_sent < conn->out_len) {
        ssize_t n = send(conn->fd, conn->out + conn->out_sent,
            conn->out_len - conn->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0 && errno != EINTR)
            return -1;
        conn->out_sent += n > 0 ? (size_t)n : 0;
    }
    conn->out_len = conn->out_sent = 0;
    return 0;
}

/* Sends a message behind its length. One send() may take only a part (R1). */
static int
conn_send(struct conn *conn, uint32_t id, const void *data, size_t len)
{
    unsigned char *out = realloc(conn->out, HEAD + len);
    if (!out)
        return -1;
    conn->out = out;
    put_u32(out, (uint32_t)(HEAD - 4 + len));
    put_u32(out + 4, id);
    memcpy(out + HEAD, data, len);
    conn->out_len = HEAD + len;
    conn->out_sent = 0;
    return conn_flush(conn);
}

/*
 * Receives what is there of a message. EAGAIN: the rest is to come (R1).
 * EMSGSIZE: it is longer than max; the rest is thrown away. Returns its length,
 * and lends it until the next call.
 */
static ssize_t
conn_recv(struct conn *conn, size_t max, const void **data)
{
    size_t want = conn->len < HEAD ? HEAD : 4 + (size_t)get_u32(conn->data);
    size_t at = want > HEAD + max ? HEAD : conn->len; /* too long: not kept */
    ssize_t n = recv(conn->fd, conn->data + at,
        want - conn->len < CHUNK ? want - conn->len : CHUNK, MSG_DONTWAIT);
    if (n == 0)
        errno = ECONNRESET; /* the peer has closed the connection */
    if (n <= 0)
        return -1;
    conn->len += (size_t)n;
    if (conn->len >= HEAD) {
        want = 4 + (size_t)get_u32(conn->data);
        conn->id = get_u32(conn->data + 4);
    }
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
    if (conn->fd >= 0)
        (void)close(conn->fd);
    conn->fd = -1;
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
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    req->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    req->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    if (conn_init(&req->conn, req->max) < 0 ||
        sockaddr_parse(&req->address, url) < 0)
        goto fail;
    req->conn.fd = socket(req->address.any.sa_family, SOCK_STREAM, 0);
    if (req->conn.fd < 0)
        goto fail;
    if (connect(req->conn.fd, &req->address.any, req->address.len) < 0)
        goto fail;
    *ret = req;
    return 0;
fail:;
    int errnum = errno;
    req_close(req);
    errno = errnum;
    return -1;
}

/* Waits for these events, or until what waits can leave. ETIMEDOUT: neither. */
static int
conn_wait(struct conn *conn, short events, int64_t deadline)
{
    struct pollfd polled = {.fd = conn->fd, .events = events};
    if (conn->out_len > 0)
        polled.events |= POLLOUT;
    int ready = poll(&polled, 1, clock_left_ms(deadline));
    if (ready == 0)
        errno = ETIMEDOUT; /* R3 */
    return ready > 0 ? 0 : -1;
}

/* Waits for the server; sends what waits, and receives what is there. */
static ssize_t
wait_for_server(struct req *req, int64_t deadline, const void **data)
{
    if (conn_wait(&req->conn, POLLIN, deadline) < 0 ||
        conn_flush(&req->conn) < 0)
        return -1;
    return conn_recv(&req->conn, req->max, data);
}

int
req_send(struct req *req, const void *data, size_t len)
{
    if (len > req->max) {
        errno = EMSGSIZE;
        return -1;
    }
    /* A server that does not receive has one request at most to take. */
    int64_t deadline = clock_deadline(req->timeout_ms);
    while (req->conn.out_len > 0) {
        if (conn_wait(&req->conn, 0, deadline) < 0 ||
            conn_flush(&req->conn) < 0)
            return -1;
    }
    req->pending = true;
    return conn_send(&req->conn, 0, data, len);
}

ssize_t
req_recv(struct req *req, const void **data)
{
    ssize_t len;
    if (!req->pending) {
        errno = EPROTO; /* out of turn: R9 */
        return -1;
    }
    int64_t deadline = clock_deadline(req->timeout_ms);
    do {
        len = wait_for_server(req, deadline, data);
    } while (len < 0 && errno == EAGAIN);
    req->pending = len < 0 && errno == EINTR;
    return len;
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    conn_close(&req->conn);
    free(req);
}

int
rep_open(struct rep **ret, const char *url, const struct tuning *tuning)
{
    int on = 1;
    struct sockaddr_any address;
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    rep->listener = -1;
    rep->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    rep->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    rep->polled = calloc(1, sizeof(*rep->polled));
    if (!rep->polled || sockaddr_parse(&address, url) < 0)
        goto fail;
    rep->listener =
        socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (rep->listener < 0)
        goto fail;
    /* Else the port is held for a minute after a server has ended (R10). */
    if (setsockopt(rep->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) <
        0)
        goto fail;
    if (bind(rep->listener, &address.any, address.len) < 0)
        goto fail;
    rep->address = address;
    if (listen(rep->listener, BACKLOG) < 0)
        goto fail;
    *ret = rep;
    return 0;
fail:;
    int errnum = errno;
    rep_close(rep);
    errno = errnum;
    return -1;
}

/* Accepts a client, into a free place or a new one. */
static int
accept_client(struct rep *rep)
{
    size_t i = 0;
    while (i < rep->count && rep->clients[i].fd >= 0)
        i++;
    if (i == rep->count) {
        struct conn *clients =
            realloc(rep->clients, (i + 1) * sizeof(*clients));
        if (!clients)
            return -1;
        rep->clients = clients;
        struct pollfd *polled = realloc(rep->polled, (i + 2) * sizeof(*polled));
        if (!polled)
            return -1;
        rep->polled = polled;
        polled[i + 1] = (struct pollfd){.fd = -1};
        if (conn_init(&clients[i], rep->max) < 0)
            return -1;
        rep->count++;
    }
    rep->clients[i].fd = accept(rep->listener, NULL, NULL);
    return rep->clients[i].fd < 0 ? -1 : 0;
}

/* Waits for clients, and accepts a new one. ETIMEDOUT: nothing came. */
static int
wait_for_clients(struct rep *rep, int64_t deadline)
{
    bool full = clock_now() < rep->accept_at;
    int64_t until =
        full && rep->accept_at < deadline ? rep->accept_at : deadline;
    rep->polled[0] = (struct pollfd){.fd = rep->listener, .events = POLLIN};
    if (full)
        rep->polled[0].fd = -1;
    for (size_t i = 0; i < rep->count; i++) {
        struct conn *client = &rep->clients[i];
        rep->polled[i + 1] =
            (struct pollfd){.fd = client->fd, .events = POLLIN};
        if (client->out_len > 0)
            rep->polled[i + 1].events = POLLOUT;
    }
    if (poll(rep->polled, rep->count + 1, clock_left_ms(until)) < 0)
        return -1;
    for (size_t i = 0; i < rep->count; i++) {
        if (rep->polled[i + 1].revents && conn_flush(&rep->clients[i]) < 0)
            conn_drop(&rep->clients[i]); /* it has left */
    }
    /* Clients wait in the backlog until a descriptor is free (R7). */
    if (rep->polled[0].revents && accept_client(rep) < 0)
        rep->accept_at = clock_deadline(ACCEPT_MS);
    errno = ETIMEDOUT;
    return clock_now() < deadline ? 0 : -1;
}

ssize_t
rep_recv(struct rep *rep, const void **data)
{
    int64_t deadline = clock_deadline(rep->timeout_ms);
    for (;;) {
        if (wait_for_clients(rep, deadline) < 0)
            return -1;
        /* The client after the last one is asked first (R6). */
        for (size_t n = 0; n < rep->count; n++) {
            rep->current = (rep->current + 1) % rep->count;
            struct conn *client = &rep->clients[rep->current];
            if (!rep->polled[rep->current + 1].revents || client->out_len > 0)
                continue; /* it takes its last reply first: R6 */
            ssize_t len = conn_recv(client, rep->max, data);
            rep->pending |= len >= 0;
            if (len >= 0 || errno == EINTR)
                return len;
            if (errno != EAGAIN && errno != EMSGSIZE)
                conn_drop(client); /* it has left */
        }
    }
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    if (!rep->pending) {
        errno = EPROTO; /* out of turn: R9 */
        return -1;
    }
    if (len > rep->max) {
        errno = EMSGSIZE;
        return -1;
    }
    struct conn *client = &rep->clients[rep->current];
    rep->pending = false;
    (void)conn_send(client, client->id, data, len);
    return 0; /* where it failed, the client has left */
}

/* Drops the clients that have their reply, and returns whether all have. */
static bool
drop_served(struct rep *rep)
{
    bool all = true;
    for (size_t i = 0; i < rep->count; i++) {
        if (rep->clients[i].out_len > 0)
            all = false;
        else
            conn_drop(&rep->clients[i]);
    }
    return all;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    if (rep->listener >= 0)
        (void)close(rep->listener);
    rep->listener = -1;
    int64_t deadline = clock_deadline(LINGER_MS);
    while (!drop_served(rep) &&
        (wait_for_clients(rep, deadline) == 0 || errno == EINTR))
        ;
    for (size_t i = 0; i < rep->count; i++)
        conn_close(&rep->clients[i]);
    if (rep->address.any.sa_family == AF_UNIX)
        (void)unlink(rep->address.un.sun_path);
    free(rep->clients);
    free(rep->polled);
    free(rep);
}

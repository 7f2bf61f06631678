/*
 * Request/reply in frames, since a stream has no messages:
 *
 *     length u32 (of all that follows) | request id u32 | message
 *
 * poll() tells which clients have sent something, so that the server serves
 * them all. No call but poll() waits for a peer, and poll() has a time limit;
 * what a peer does not take yet waits in a buffer. A connection that could not
 * be made, or has broken, is made again. The id tells a late reply.
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
    BACKLOG = 128, /* clients that wait to be accepted */
    HEAD = 8, /* bytes before a message: its length and the request id */
    CHUNK = 1 << 16, /* bytes that one recv() takes at most */
    ACCEPT_MS = 100, /* pause when no descriptor is free */
    LINGER_MS = 500, /* a close waits so long for replies on their way */
    RETRY_MS = 50, /* pause before the next attempt to connect */
    DRAIN_MAX = 16, /* reads of what nobody wants any more */
};

struct conn {
    SOCKET fd; /* INVALID_SOCKET: none */
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
    bool connecting;
    int64_t retry_at; /* no connection: when to try again */
    uint32_t id; /* of the latest request */
};

struct rep {
    size_t max; /* bytes of a message */
    int timeout_ms;
    bool pending; /* the request has not been answered */
    int64_t accept_at; /* no descriptor is free: when to try again */
    SOCKET listener;
    struct conn *clients;
    WSAPOLLFD *polled; /* the listener, then the clients */
    size_t count; /* of clients */
    size_t current; /* the client whose request was received last */
};

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
    if (conn->fd == INVALID_SOCKET)
        return 0; /* it goes out on the next connection */
    while (conn->out_sent < conn->out_len) {
        /* Winsock counts in int, and knows no SIGPIPE. */
        int n = send(conn->fd, (const char *)conn->out + conn->out_sent,
            (int)(conn->out_len - conn->out_sent), 0);
        if (n < 0 &&
            (WSAGetLastError() == WSAEWOULDBLOCK ||
                WSAGetLastError() == WSAENOTCONN))
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
    int n = recv(conn->fd, (char *)conn->data + at,
        (int)(want - conn->len < CHUNK ? want - conn->len : CHUNK), 0);
    errno = n < 0 && WSAGetLastError() == WSAEWOULDBLOCK ? EAGAIN : ECONNRESET;
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
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    WSADATA data;
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    errno = WSAStartup(MAKEWORD(2, 2), &data);
    if (errno != 0) {
        free(req);
        return -1;
    }
    req->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    req->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    if (conn_init(&req->conn, req->max) < 0 ||
        sockaddr_parse(&req->address, url) < 0)
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
    WSAPOLLFD polled = {.fd = conn->fd, .events = events};
    if (conn->out_len > 0)
        polled.events |= POLLOUT;
    int ready = poll_sockets(&polled, 1, clock_left_ms(deadline));
    if (ready == 0)
        errno = ETIMEDOUT; /* R3 */
    return ready > 0 ? 0 : -1;
}

/* What has not left whole goes out on the next connection. */
static void
disconnect(struct req *req)
{
    size_t out_len = req->conn.out_len;
    conn_drop(&req->conn);
    req->conn.out_len = out_len;
    req->connecting = false;
    req->retry_at = clock_deadline(RETRY_MS);
}

/* Begins to connect (R4, R5). Refusal comes now, or when poll() tells. */
static void
begin_to_connect(struct req *req)
{
    u_long on = 1;
    req->conn.fd = socket(req->address.any.sa_family, SOCK_STREAM, 0);
    req->connecting = true;
    if (req->conn.fd == INVALID_SOCKET ||
        ioctlsocket(req->conn.fd, FIONBIO, &on) != 0 ||
        (connect(req->conn.fd, &req->address.any, req->address.len) != 0 &&
            WSAGetLastError() != WSAEWOULDBLOCK))
        disconnect(req);
}

/* poll() has told: the connection is made, or was refused. */
static int
end_connecting(struct req *req)
{
    int error = 0;
    socklen_t len = sizeof(error);
    struct sockaddr_any self = {.len = sizeof(self.storage)};
    req->connecting = false;
    errno = ECONNREFUSED;
    if (getsockopt(req->conn.fd, SOL_SOCKET, SO_ERROR, (char *)&error, &len) !=
            0 ||
        error != 0)
        return -1;
    /* On a port where nobody listens, a socket may connect to itself: TCP's
     * simultaneous open (RFC 9293, 3.5). */
    if (getsockname(req->conn.fd, &self.any, &self.len) != 0 ||
        (self.len == req->address.len &&
            memcmp(&self.any, &req->address.any, self.len) == 0))
        return -1;
    return 0;
}

/* Waits for the server, connecting where there is no connection; sends what
 * waits, and receives what is there. */
static ssize_t
wait_for_server(struct req *req, int64_t deadline, const void **data)
{
    if (req->conn.fd == INVALID_SOCKET && clock_now() >= req->retry_at)
        begin_to_connect(req);
    bool pause = req->conn.fd == INVALID_SOCKET && req->retry_at < deadline;
    if (conn_wait(&req->conn, req->connecting ? POLLOUT : POLLIN,
            pause ? req->retry_at : deadline) < 0) {
        if (errno == ETIMEDOUT && pause)
            errno = EAGAIN; /* connects again */
        return -1;
    }
    ssize_t len = -1;
    if ((!req->connecting || end_connecting(req) == 0) &&
        conn_flush(&req->conn) == 0)
        len = conn_recv(&req->conn, req->max, data);
    if (len < 0 && errno != EAGAIN && errno != EMSGSIZE) {
        disconnect(req);
        errno = EAGAIN;
    }
    return len;
}

int
req_send(struct req *req, const void *data, size_t len)
{
    if (len > req->max) {
        errno = EMSGSIZE;
        return -1;
    }
    /* A server that has gone is noticed here (R5); late replies are read. */
    const void *late;
    for (int i = 0; i < DRAIN_MAX; i++) {
        if (wait_for_server(req, 0, &late) < 0 && errno == ETIMEDOUT)
            break;
    }
    /* Half a request can be given up with its connection alone (R2). */
    if (req->conn.out_sent > 0)
        disconnect(req);
    req->pending = true;
    req->id++;
    if (conn_send(&req->conn, req->id, data, len) < 0)
        disconnect(req);
    return 0;
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
        if ((len >= 0 || errno == EMSGSIZE) && req->conn.id != req->id) {
            len = -1;
            errno = EAGAIN; /* a late reply to an earlier request: R2 */
        }
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
    (void)WSACleanup(); /* one for each WSAStartup() */
    free(req);
}

int
rep_open(struct rep **ret, const char *url, const struct tuning *tuning)
{
    BOOL exclusive = TRUE;
    u_long on = 1;
    struct sockaddr_any address;
    WSADATA data;
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    errno = WSAStartup(MAKEWORD(2, 2), &data);
    if (errno != 0) {
        free(rep);
        return -1;
    }
    rep->listener = INVALID_SOCKET;
    rep->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    rep->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    rep->polled = calloc(1, sizeof(*rep->polled));
    if (!rep->polled || sockaddr_parse(&address, url) < 0)
        goto fail;
    rep->listener = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (rep->listener == INVALID_SOCKET ||
        ioctlsocket(rep->listener, FIONBIO, &on) != 0)
        goto refused;
    /* No SO_REUSEADDR: on Windows it lets a second server take the port while
     * the first one has it. This forbids that to everybody (R10; see README).
     */
    if (setsockopt(rep->listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE,
            (const char *)&exclusive, sizeof(exclusive)) != 0)
        goto refused;
    if (bind(rep->listener, &address.any, address.len) != 0)
        goto refused;
    if (listen(rep->listener, BACKLOG) != 0)
        goto refused;
    *ret = rep;
    return 0;
refused:
    errno = errno_of(WSAGetLastError());
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
    u_long on = 1;
    size_t i = 0;
    while (i < rep->count && rep->clients[i].fd != INVALID_SOCKET)
        i++;
    if (i == rep->count) {
        struct conn *clients =
            realloc(rep->clients, (i + 1) * sizeof(*clients));
        if (!clients)
            return -1;
        rep->clients = clients;
        WSAPOLLFD *polled = realloc(rep->polled, (i + 2) * sizeof(*polled));
        if (!polled)
            return -1;
        rep->polled = polled;
        polled[i + 1] = (WSAPOLLFD){.fd = INVALID_SOCKET};
        if (conn_init(&clients[i], rep->max) < 0)
            return -1;
        rep->count++;
    }
    rep->clients[i].fd = accept(rep->listener, NULL, NULL);
    return rep->clients[i].fd == INVALID_SOCKET
        ? -1
        : ioctlsocket(rep->clients[i].fd, FIONBIO, &on);
}

/* Waits for clients, and accepts a new one. ETIMEDOUT: nothing came. */
static int
wait_for_clients(struct rep *rep, int64_t deadline)
{
    bool full = clock_now() < rep->accept_at;
    int64_t until =
        full && rep->accept_at < deadline ? rep->accept_at : deadline;
    rep->polled[0] = (WSAPOLLFD){.fd = rep->listener, .events = POLLIN};
    if (full)
        rep->polled[0].fd = INVALID_SOCKET;
    for (size_t i = 0; i < rep->count; i++) {
        struct conn *client = &rep->clients[i];
        rep->polled[i + 1] = (WSAPOLLFD){.fd = client->fd, .events = POLLIN};
        if (client->out_len > 0)
            rep->polled[i + 1].events = POLLOUT;
    }
    if (poll_sockets(rep->polled, rep->count + 1, clock_left_ms(until)) < 0)
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

/* If bytes are unread at the close, the kernel sends a reset, and drops what it
 * has not sent yet: perhaps the last reply (R11). Reads them first. */
static void
conn_drain(struct conn *conn)
{
    char unread[4096];
    for (int i = 0; i < DRAIN_MAX && conn->fd != INVALID_SOCKET &&
         recv(conn->fd, unread, sizeof(unread), 0) > 0;
         i++)
        ;
}

/* Drops the clients that have their reply, and returns whether all have. */
static bool
drop_served(struct rep *rep)
{
    bool all = true;
    for (size_t i = 0; i < rep->count; i++) {
        if (rep->clients[i].out_len > 0)
            all = false;
        else {
            conn_drain(&rep->clients[i]);
            conn_drop(&rep->clients[i]);
        }
    }
    return all;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    if (rep->listener != INVALID_SOCKET)
        (void)closesocket(rep->listener);
    rep->listener = INVALID_SOCKET;
    int64_t deadline = clock_deadline(LINGER_MS);
    while (!drop_served(rep) &&
        (wait_for_clients(rep, deadline) == 0 || errno == EINTR))
        ;
    for (size_t i = 0; i < rep->count; i++)
        conn_close(&rep->clients[i]);
    free(rep->clients);
    free(rep->polled);
    (void)WSACleanup(); /* one for each WSAStartup() */
    free(rep);
}

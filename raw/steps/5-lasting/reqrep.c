/*
 * Request/reply in frames, since a stream has no messages: each travels behind
 * its length and a request id, by which a late reply is known.
 *
 *     length u32 (of all that follows) | request id u32 | message
 *
 * What has been received waits in a buffer until a message is complete, and
 * what the peer does not take yet waits in another. No call but poll() blocks,
 * and poll() has a time limit: nobody holds up anybody. A connection that could
 * not be made, or has broken, is made again.
 */
#include "pattern.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "clock.h"
#include "sockaddr.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes, unless tuned */
    BACKLOG = 128, /* clients that wait to be accepted */
    HEAD = 8, /* bytes before a message: its length and the request id */
    READ_SIZE = 4096, /* bytes of a buffer at first; it doubles */
    OUT_MAX = 32 << 20, /* bytes that wait for a client that does not receive */
    ACCEPT_MS = 100, /* pause when no descriptor is free */
    LINGER_MS = 500, /* a close waits so long for replies on their way */
    RETRY_MS = 50, /* pause before the next attempt to connect */
    DRAIN_MAX = 16, /* reads before a close */
};

struct conn {
    int fd; /* -1: none */
    unsigned char *data; /* what was received */
    size_t size; /* bytes that data has room for */
    size_t len; /* bytes in data */
    size_t done; /* bytes, from the first, that are no longer needed */
    unsigned char *out; /* what is to be sent */
    size_t out_len; /* bytes in out */
    size_t out_sent; /* bytes of them, from the first, that have left */
};

struct req {
    size_t max; /* bytes of a message */
    int timeout_ms;
    struct sockaddr_any address;
    struct conn conn;
    bool connecting;
    int64_t retry_at; /* no connection: when to try again */
    uint32_t id; /* of the latest request */
    bool pending; /* its reply has not come */
};

struct rep {
    size_t max; /* bytes of a message */
    int timeout_ms;
    struct sockaddr_any address; /* bound; to be unlinked */
    int listener;
    int64_t accept_at; /* no descriptor is free: when to try again */
    struct conn *clients;
    struct pollfd *polled; /* the listener, then the clients */
    size_t count; /* of clients */
    size_t current; /* the client whose request was received last */
    uint32_t id; /* of that request */
    bool pending; /* it has not been answered */
};

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    req->conn.fd = -1;
    req->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    req->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    if (sockaddr_parse(&req->address, url) < 0)
        goto fail;
    *ret = req;
    return 0;
fail:;
    int errnum = errno;
    req_close(req);
    errno = errnum;
    return -1;
}

/* Sends as much as the peer takes now. */
static int
conn_flush(struct conn *conn)
{
    while (conn->fd >= 0 && conn->out_sent < conn->out_len) {
        ssize_t n = send(conn->fd, conn->out + conn->out_sent,
            conn->out_len - conn->out_sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
            return 0;
        if (n < 0 && errno != EINTR)
            return -1;
        conn->out_sent += n > 0 ? (size_t)n : 0;
    }
    if (conn->out_sent < conn->out_len)
        return 0; /* there is no connection now */
    free(conn->out);
    conn->out = NULL;
    conn->out_len = conn->out_sent = 0;
    return 0;
}

/* Sends a message, now or when the peer receives again. */
static int
conn_send(struct conn *conn, uint32_t id, const void *data, size_t len)
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
    put_u32(out, (uint32_t)(HEAD - 4 + len));
    put_u32(out + 4, id);
    memcpy(out + HEAD, data, len);
    conn->out_len += HEAD + len;
    return conn_flush(conn);
}

/* Receives what is there. ECONNRESET: the peer has closed the connection. */
static int
conn_read(struct conn *conn)
{
    /* It grows with what arrives, not with what is announced (R7). */
    if (conn->len == conn->size) {
        size_t size = conn->size > 0 ? 2 * conn->size : READ_SIZE;
        unsigned char *in = realloc(conn->data, size);
        if (!in)
            return -1;
        conn->data = in;
        conn->size = size;
    }
    ssize_t n =
        recv(conn->fd, conn->data + conn->len, conn->size - conn->len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
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

/* The connection has broken. What has not left whole goes out on the next. */
static void
disconnect(struct req *req)
{
    if (req->conn.fd >= 0)
        (void)close(req->conn.fd);
    req->conn.fd = -1;
    req->conn.len = req->conn.done = req->conn.out_sent = 0;
    req->connecting = false;
    req->retry_at = clock_deadline(RETRY_MS);
}

/* Begins to connect (R4, R5). Refusal comes now, or when poll() tells. */
static void
begin_to_connect(struct req *req)
{
    req->conn.fd =
        socket(req->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    req->connecting = true;
    if (req->conn.fd < 0 ||
        (connect(req->conn.fd, &req->address.any, req->address.len) < 0 &&
            errno != EINPROGRESS))
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
    if (getsockopt(req->conn.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ||
        error != 0)
        return -1;
    /* On a port where nobody listens, a socket may connect to itself: TCP's
     * simultaneous open (RFC 9293, 3.5). */
    if (getsockname(req->conn.fd, &self.any, &self.len) < 0 ||
        (self.any.sa_family != AF_UNIX && self.len == req->address.len &&
            memcmp(&self.any, &req->address.any, self.len) == 0))
        return -1;
    return conn_flush(&req->conn);
}

/*
 * Waits for the server, connecting where there is no connection. ETIMEDOUT:
 * nothing until then.
 */
static int
wait_for_server(struct req *req, int64_t deadline)
{
    if (req->conn.fd < 0 && clock_now() >= req->retry_at)
        begin_to_connect(req);
    bool pause = req->conn.fd < 0 && req->retry_at < deadline;
    struct pollfd polled = {
        .fd = req->conn.fd,
        .events = req->connecting ? POLLOUT : conn_events(&req->conn),
    };
    int ready =
        poll(&polled, 1, clock_left_ms(pause ? req->retry_at : deadline));
    if (ready < 0)
        return -1;
    if (ready > 0 &&
        (req->connecting ? end_connecting(req)
                         : conn_ready(&req->conn, polled.revents)) < 0)
        disconnect(req);
    errno = ETIMEDOUT;
    return ready > 0 || clock_now() < deadline ? 0 : -1;
}

int
req_send(struct req *req, const void *data, size_t len)
{
    if (len > req->max) {
        errno = EMSGSIZE;
        return -1;
    }
    /* Notices a server that has gone (R5). Gives up an earlier request that has
     * not begun to leave (R2); the rest of one that has must go first. */
    int64_t deadline = clock_deadline(req->timeout_ms);
    (void)wait_for_server(req, 0);
    if (req->conn.out_sent == 0)
        req->conn.out_len = 0;
    while (req->conn.out_len > 0) {
        if (wait_for_server(req, deadline) < 0)
            return -1;
    }
    req->pending = true;
    req->id++;
    if (conn_send(&req->conn, req->id, data, len) < 0)
        disconnect(req);
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
conn_next(struct conn *conn, size_t max, uint32_t *id, const void **data)
{
    conn_discard(conn);
    errno = EAGAIN;
    if (conn->done > 0 || conn->len < HEAD)
        return -1;
    size_t len = get_u32(conn->data) - (HEAD - 4);
    *id = get_u32(conn->data + 4);
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

ssize_t
req_recv(struct req *req, const void **data)
{
    uint32_t id;
    ssize_t len;
    if (!req->pending) {
        errno = EPROTO; /* out of turn: R9 */
        return -1;
    }
    int64_t deadline = clock_deadline(req->timeout_ms);
    for (;;) {
        len = conn_next(&req->conn, req->max, &id, data);
        bool found = len >= 0 || errno == EMSGSIZE;
        if (found && id == req->id)
            break;
        if (found)
            continue; /* a late reply to an earlier request: R2 */
        if (wait_for_server(req, deadline) < 0) {
            req->pending = errno == EINTR;
            return -1;
        }
    }
    req->pending = false;
    return len;
}

static void
conn_close(struct conn *conn)
{
    if (conn->fd >= 0)
        (void)close(conn->fd);
    free(conn->data);
    free(conn->out);
    *conn = (struct conn){.fd = -1};
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    conn_close(&req->conn);
    free(req);
}

/* Whether a path is a socket that nobody listens on any more (R10). */
static bool
is_stale(const struct sockaddr_any *address)
{
    struct stat status;
    if (address->any.sa_family != AF_UNIX ||
        lstat(address->un.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool stale =
        connect(fd, &address->any, address->len) < 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
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
    if (is_stale(&address))
        (void)unlink(address.un.sun_path);
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
        rep->clients[rep->count++] = (struct conn){.fd = -1};
    }
    rep->clients[i].fd = accept4(rep->listener, NULL, NULL, SOCK_NONBLOCK);
    return rep->clients[i].fd < 0 ? -1 : 0;
}

/*
 * Waits for clients; accepts a new one, receives from the others, and sends
 * them what waits. ETIMEDOUT: nothing until then.
 */
static int
wait_for_clients(struct rep *rep, int64_t deadline)
{
    bool full = clock_now() < rep->accept_at;
    int64_t until =
        full && rep->accept_at < deadline ? rep->accept_at : deadline;
    rep->polled[0] = (struct pollfd){
        .fd = full ? -1 : rep->listener,
        .events = POLLIN,
    };
    for (size_t i = 0; i < rep->count; i++) {
        rep->polled[i + 1] = (struct pollfd){
            .fd = rep->clients[i].fd,
            .events = conn_events(&rep->clients[i]),
        };
    }
    if (poll(rep->polled, rep->count + 1, clock_left_ms(until)) < 0)
        return -1;
    for (size_t i = 0; i < rep->count; i++) {
        struct conn *client = &rep->clients[i];
        if (rep->polled[i + 1].revents &&
            conn_ready(client, rep->polled[i + 1].revents) < 0)
            conn_close(client); /* it has left */
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
        /* The client after the last one is asked first (R6). */
        for (size_t n = 0; n < rep->count; n++) {
            rep->current = (rep->current + 1) % rep->count;
            struct conn *client = &rep->clients[rep->current];
            ssize_t len = conn_next(client, rep->max, &rep->id, data);
            if (len >= 0) {
                rep->pending = true;
                return len;
            }
        }
        if (wait_for_clients(rep, deadline) < 0)
            return -1;
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
    rep->pending = false;
    struct conn *client = &rep->clients[rep->current];
    size_t waiting = client->out_len - client->out_sent;
    if (waiting > 0 && waiting + len > OUT_MAX)
        return 0; /* it does not receive: dropped (R6) */
    if (conn_send(client, rep->id, data, len) < 0)
        (void)shutdown(client->fd, SHUT_RDWR); /* it has left: R6 */
    return 0;
}

/* Whether replies wait for clients that do not receive. */
static bool
has_replies(const struct rep *rep)
{
    size_t i = 0;
    while (i < rep->count && rep->clients[i].out_len == 0)
        i++;
    return i < rep->count;
}

/* If bytes are unread at the close, the kernel sends a reset, and drops what it
 * has not sent yet: perhaps the last reply (R11). Reads them first. */
static void
conn_drain(struct conn *conn)
{
    unsigned char unread[READ_SIZE];
    for (int i = 0; i < DRAIN_MAX && conn->fd >= 0 &&
         recv(conn->fd, unread, sizeof(unread), 0) > 0;
         i++)
        ;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    int64_t deadline = clock_deadline(LINGER_MS);
    while (has_replies(rep) &&
        (wait_for_clients(rep, deadline) == 0 || errno == EINTR))
        ;
    if (rep->listener >= 0)
        (void)close(rep->listener);
    for (size_t i = 0; i < rep->count; i++) {
        conn_drain(&rep->clients[i]);
        conn_close(&rep->clients[i]);
    }
    if (rep->address.any.sa_family == AF_UNIX)
        (void)unlink(rep->address.un.sun_path);
    free(rep->clients);
    free(rep->polled);
    free(rep);
}

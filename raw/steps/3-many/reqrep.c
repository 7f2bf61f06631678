/*
 * Request/reply in frames, since a stream has no messages: each travels behind
 * its length and a request id, which is not used yet.
 *
 *     length u32 (of all that follows) | request id u32 | message
 *
 * What has been received waits in a buffer until a message is complete. poll()
 * tells which clients have sent something, so that the server serves them all.
 * Sending still blocks.
 */
#include "pattern.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "sockaddr.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes, unless tuned */
    BACKLOG = 128, /* clients that wait to be accepted */
    HEAD = 8, /* bytes before a message: its length and the request id */
};

struct conn {
    int fd; /* -1: none */
    unsigned char *data; /* what was received, as long as a message may be */
    size_t len; /* bytes in data */
    size_t done; /* bytes, from the first, that are no longer needed */
};

struct req {
    size_t max; /* bytes of a message */
    struct conn conn;
};

struct rep {
    size_t max; /* bytes of a message */
    struct sockaddr_any address; /* bound; to be unlinked */
    int listener;
    struct conn *clients;
    struct pollfd *polled; /* the listener, then the clients */
    size_t count; /* of clients */
    size_t current; /* the client whose request was received last */
    uint32_t id; /* of that request */
};

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    struct sockaddr_any address;
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    req->conn.fd = -1;
    req->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    req->conn.data = malloc(HEAD + req->max);
    if (!req->conn.data || sockaddr_parse(&address, url) < 0)
        goto fail;
    req->conn.fd = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (req->conn.fd < 0)
        goto fail;
    if (connect(req->conn.fd, &address.any, address.len) < 0)
        goto fail;
    *ret = req;
    return 0;
fail:;
    int errnum = errno;
    req_close(req);
    errno = errnum;
    return -1;
}

/* Sends all of it: one send() may take only a part (R1). No SIGPIPE, and no end
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
send_frame(int fd, uint32_t id, const void *data, size_t len)
{
    unsigned char head[HEAD];
    put_u32(head, (uint32_t)(HEAD - 4 + len));
    put_u32(head + 4, id);
    /* MSG_MORE: both leave in one segment, or Nagle's algorithm waits. */
    return send_all(fd, head, HEAD, len > 0 ? MSG_MORE : 0) < 0
        ? -1
        : send_all(fd, data, len, 0);
}

int
req_send(struct req *req, const void *data, size_t len)
{
    if (len > req->max) {
        errno = EMSGSIZE;
        return -1;
    }
    return send_frame(req->conn.fd, 0, data, len);
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
    while ((len = conn_next(&req->conn, req->max, &id, data)) < 0 &&
        errno == EAGAIN) {
        if (conn_read(&req->conn, req->max) < 0)
            return -1;
    }
    return len;
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    if (req->conn.fd >= 0)
        (void)close(req->conn.fd);
    free(req->conn.data);
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
    rep->polled = calloc(1, sizeof(*rep->polled));
    if (!rep->polled || sockaddr_parse(&address, url) < 0)
        goto fail;
    rep->listener = socket(address.any.sa_family, SOCK_STREAM, 0);
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
        rep->clients[i] =
            (struct conn){.fd = -1, .data = malloc(HEAD + rep->max)};
        if (!rep->clients[i].data)
            return -1;
        rep->count++;
    }
    rep->clients[i].fd = accept(rep->listener, NULL, NULL);
    return rep->clients[i].fd < 0 ? -1 : 0;
}

/* Waits for clients; accepts a new one, and receives from the others. */
static int
wait_for_clients(struct rep *rep)
{
    rep->polled[0] = (struct pollfd){.fd = rep->listener, .events = POLLIN};
    for (size_t i = 0; i < rep->count; i++) {
        rep->polled[i + 1] =
            (struct pollfd){.fd = rep->clients[i].fd, .events = POLLIN};
    }
    if (poll(rep->polled, rep->count + 1, -1) < 0)
        return -1;
    for (size_t i = 0; i < rep->count; i++) {
        struct conn *client = &rep->clients[i];
        if (rep->polled[i + 1].revents && conn_read(client, rep->max) < 0) {
            (void)close(client->fd); /* it has left */
            *client = (struct conn){.fd = -1, .data = client->data};
        }
    }
    return rep->polled[0].revents ? accept_client(rep) : 0;
}

ssize_t
rep_recv(struct rep *rep, const void **data)
{
    for (;;) {
        /* The client after the last one is asked first (R6). */
        for (size_t n = 0; n < rep->count; n++) {
            rep->current = (rep->current + 1) % rep->count;
            struct conn *client = &rep->clients[rep->current];
            ssize_t len = conn_next(client, rep->max, &rep->id, data);
            if (len >= 0)
                return len;
        }
        if (wait_for_clients(rep) < 0)
            return -1;
    }
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    if (len > rep->max) {
        errno = EMSGSIZE;
        return -1;
    }
    int fd = rep->clients[rep->current].fd;
    if (send_frame(fd, rep->id, data, len) < 0)
        (void)shutdown(fd, SHUT_RDWR); /* it has left: R6 */
    return 0;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    for (size_t i = 0; i < rep->count; i++) {
        if (rep->clients[i].fd >= 0)
            (void)close(rep->clients[i].fd);
        free(rep->clients[i].data);
    }
    if (rep->listener >= 0)
        (void)close(rep->listener);
    if (rep->address.any.sa_family == AF_UNIX)
        (void)unlink(rep->address.un.sun_path);
    free(rep->clients);
    free(rep->polled);
    free(rep);
}

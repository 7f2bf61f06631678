/*
 * Request/reply in frames, since a stream has no messages: each travels behind
 * its length and a request id, which is not used yet.
 *
 *     length u32 (of all that follows) | request id u32 | message
 *
 * What has been received waits in a buffer until a message is complete. Every
 * call still blocks. The server serves one client after the other.
 */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "sockaddr.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes, unless tuned */
    BACKLOG = 5, /* clients that wait to be accepted */
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
    struct conn client;
    uint32_t id; /* of the request received last */
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
    rep->listener = rep->client.fd = -1;
    rep->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    rep->client.data = malloc(HEAD + rep->max);
    if (!rep->client.data || sockaddr_parse(&address, url) < 0)
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

ssize_t
rep_recv(struct rep *rep, const void **data)
{
    struct conn *client = &rep->client;
    ssize_t len;
    while ((len = conn_next(client, rep->max, &rep->id, data)) < 0) {
        if (client->fd < 0)
            client->fd = accept(rep->listener, NULL, NULL);
        if (client->fd < 0)
            return -1;
        if (conn_read(client, rep->max) == 0)
            continue;
        if (errno == EINTR)
            return -1;
        (void)close(client->fd); /* it has left: the next one's turn */
        *client = (struct conn){.fd = -1, .data = client->data};
    }
    return len;
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    if (len > rep->max) {
        errno = EMSGSIZE;
        return -1;
    }
    if (send_frame(rep->client.fd, rep->id, data, len) < 0)
        (void)shutdown(rep->client.fd, SHUT_RDWR); /* it has left: R6 */
    return 0;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    if (rep->client.fd >= 0)
        (void)close(rep->client.fd);
    if (rep->listener >= 0)
        (void)close(rep->listener);
    if (rep->address.any.sa_family == AF_UNIX)
        (void)unlink(rep->address.un.sun_path);
    free(rep->client.data);
    free(rep);
}

/*
 * Request/reply in frames, since a stream has no messages:
 *
 *     length u32 (of all that follows) | request id u32 (unused) | message
 *
 * Every call blocks. The server serves one client after the other.
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
    CHUNK = 1 << 16, /* bytes that one recv() takes at most */
};

struct conn {
    int fd; /* -1: none */
    unsigned char *data; /* what was received; lent to the caller */
    size_t len; /* bytes of a message that have been received */
    uint32_t id; /* of the message received last */
    unsigned char *out; /* what is sent */
};

struct req {
    size_t max; /* bytes of a message */
    struct sockaddr_any address; /* the server's */
    struct conn conn;
};

struct rep {
    size_t max; /* bytes of a message */
    struct sockaddr_any address; /* bound; to be unlinked */
    int listener;
    struct conn client;
};

/* No connection yet, and room for a message. */
static int
conn_init(struct conn *conn, size_t max)
{
    *conn = (struct conn){.fd = -1, .data = malloc(HEAD + max + CHUNK)};
    return conn->data ? 0 : -1;
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
    for (size_t sent = 0; sent < HEAD + len;) {
        ssize_t n = send(conn->fd, out + sent, HEAD + len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -1;
        sent += n > 0 ? (size_t)n : 0;
    }
    return 0;
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
        want - conn->len < CHUNK ? want - conn->len : CHUNK, 0);
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
    conn->len = 0;
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

int
req_send(struct req *req, const void *data, size_t len)
{
    if (len > req->max) {
        errno = EMSGSIZE;
        return -1;
    }
    return conn_send(&req->conn, 0, data, len);
}

ssize_t
req_recv(struct req *req, const void **data)
{
    ssize_t len;
    do {
        len = conn_recv(&req->conn, req->max, data);
    } while (len < 0 && errno == EAGAIN);
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
    if (conn_init(&rep->client, rep->max) < 0 ||
        sockaddr_parse(&address, url) < 0)
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
    for (;;) {
        if (rep->client.fd < 0)
            rep->client.fd = accept(rep->listener, NULL, NULL);
        if (rep->client.fd < 0)
            return -1;
        ssize_t len = conn_recv(&rep->client, rep->max, data);
        if (len >= 0 || errno == EINTR)
            return len;
        if (errno == EAGAIN || errno == EMSGSIZE)
            continue;
        conn_drop(&rep->client); /* it has left: the next one's turn */
    }
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    if (len > rep->max) {
        errno = EMSGSIZE;
        return -1;
    }
    (void)conn_send(&rep->client, rep->client.id, data, len);
    return 0; /* where it failed, the client has left */
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    if (rep->listener >= 0)
        (void)close(rep->listener);
    conn_close(&rep->client);
    if (rep->address.any.sa_family == AF_UNIX)
        (void)unlink(rep->address.un.sun_path);
    free(rep);
}

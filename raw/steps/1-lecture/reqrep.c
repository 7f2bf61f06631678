/*
 * Request/reply with the lecture's calls: socket, bind, listen, accept, recv,
 * send, close, unlink. A message is what one recv() returns.
 * Every call blocks. The server serves one client after the other.
 */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockaddr.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes, unless tuned */
    BACKLOG = 5, /* clients that wait to be accepted */
};

struct conn {
    int fd; /* -1: none */
    unsigned char *data; /* what was received; lent to the caller */
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
    return send(req->conn.fd, data, len, 0) < 0 ? -1 : 0;
}

ssize_t
req_recv(struct req *req, const void **data)
{
    return conn_recv(&req->conn, req->max, data);
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
    return send(rep->client.fd, data, len, 0) < 0 ? -1 : 0;
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

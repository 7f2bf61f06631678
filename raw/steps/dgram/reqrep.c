/*
 * Request/reply over datagrams: UDP, or UNIX sockets of type SOCK_DGRAM. A
 * datagram is a message, so there are no frames; there are no connections, so
 * nothing breaks and nobody has to be accepted. But a datagram may be lost, and
 * nobody is told. So the client sends its request again when no reply comes,
 * and the server may run it twice.
 *
 *     request id u32 | message
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
    HEAD = 4, /* bytes before a message: the request id */
    DATAGRAM_MAX = 65507, /* bytes: UDP's, 65535 less the heads of IPv4 and UDP;
                             a UNIX socket keeps to it here, too */
    AGAIN_MS = 100, /* until a request is sent again; then twice as long */
    AGAIN_MAX_MS = 400,
};

struct req {
    size_t max; /* bytes of a message */
    int timeout_ms;
    struct sockaddr_any server;
    int fd;
    uint32_t id; /* of the latest request */
    bool pending; /* its reply has not come */
    int64_t again_at; /* when the request is to be sent again */
    int again_ms; /* the pause after that */
    size_t len; /* bytes of the request's datagram */
    unsigned char request[DATAGRAM_MAX];
    unsigned char reply[DATAGRAM_MAX]; /* lent to the caller */
};

struct rep {
    size_t max; /* bytes of a message */
    int timeout_ms;
    struct sockaddr_any address; /* bound; to be unlinked */
    int fd;
    struct sockaddr_any client; /* whose request was received last */
    bool pending; /* it has not been answered */
    unsigned char request[DATAGRAM_MAX]; /* lent to the caller */
    unsigned char reply[DATAGRAM_MAX];
};

static size_t
longest(const struct tuning *tuning)
{
    size_t max = DATAGRAM_MAX - HEAD;
    return tuning->message_max && tuning->message_max < max
        ? tuning->message_max
        : max;
}

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    struct sockaddr_any address = {0};
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    req->fd = -1;
    req->max = longest(tuning);
    req->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    if (sockaddr_parse_datagram(&req->server, url) < 0)
        goto fail;
    address.any.sa_family = req->server.any.sa_family;
    req->fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (req->fd < 0)
        goto fail;
    /* A UNIX socket has no address until it is bound, and nobody could answer.
     * Bound to its family alone, it gets one from the kernel: unix(7). */
    if (address.any.sa_family == AF_UNIX &&
        bind(req->fd, &address.any, sizeof(sa_family_t)) < 0)
        goto fail;
    *ret = req;
    return 0;
fail:;
    int errnum = errno;
    req_close(req);
    errno = errnum;
    return -1;
}

/*
 * Sends the request, for the first time or again. A server that is not there
 * (R4, R5) or does not receive is no failure: the request counts as lost, and
 * is sent again.
 */
static int
send_request(struct req *req)
{
    req->again_at = clock_deadline(req->again_ms);
    if (req->again_ms < AGAIN_MAX_MS)
        req->again_ms *= 2;
    if (sendto(req->fd, req->request, req->len, 0, &req->server.any,
            req->server.len) < 0 &&
        errno == EMSGSIZE)
        return -1; /* longer than this kernel's datagrams */
    return 0;
}

int
req_send(struct req *req, const void *data, size_t len)
{
    if (len > req->max) {
        errno = EMSGSIZE;
        return -1;
    }
    (void)put_u32(req->request, ++req->id);
    if (len > 0)
        memcpy(req->request + HEAD, data, len);
    req->len = HEAD + len;
    req->again_ms = AGAIN_MS;
    req->pending = true;
    return send_request(req);
}

/* Whether two addresses are one. A UNIX socket's is as long as its name. */
static bool
same_address(const struct sockaddr_any *a, const struct sockaddr_any *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_UNIX)
        return strncmp(
                   a->un.sun_path, b->un.sun_path, sizeof(a->un.sun_path)) == 0;
    if (a->any.sa_family == AF_INET6)
        return a->in6.sin6_port == b->in6.sin6_port &&
            memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr,
                sizeof(a->in6.sin6_addr)) == 0;
    return a->in.sin_port == b->in.sin_port &&
        a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

/* Waits for a datagram. ETIMEDOUT: none until then. */
static int
wait_for_datagram(int fd, int64_t deadline)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    int ready = poll(&polled, 1, clock_left_ms(deadline));
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 ? 0 : -1;
}

ssize_t
req_recv(struct req *req, const void **data)
{
    if (!req->pending) {
        errno = EPROTO; /* out of turn: R9 */
        return -1;
    }
    int64_t deadline = clock_deadline(req->timeout_ms);
    for (;;) {
        struct sockaddr_any sender = {.len = sizeof(sender.storage)};
        /* MSG_TRUNC: returns the whole length of one that is too long. */
        ssize_t n = recvfrom(req->fd, req->reply, sizeof(req->reply), MSG_TRUNC,
            &sender.any, &sender.len);
        if (n >= HEAD && same_address(&sender, &req->server) &&
            get_u32(req->reply) == req->id) {
            req->pending = false;
            *data = req->reply + HEAD;
            errno = EMSGSIZE;
            return (size_t)n - HEAD > req->max ? -1 : n - HEAD;
        }
        if (n >= 0)
            continue; /* a stranger's, or a late reply (R2) */
        bool again = req->again_at < deadline;
        if (wait_for_datagram(req->fd, again ? req->again_at : deadline) == 0)
            continue;
        if (errno == ETIMEDOUT && again && send_request(req) == 0)
            continue;
        req->pending = errno == EINTR;
        return -1;
    }
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    if (req->fd >= 0)
        (void)close(req->fd);
    free(req);
}

/* Whether a path is a socket that nobody receives from any more (R10). */
static bool
is_stale(const struct sockaddr_any *address)
{
    struct stat status;
    if (address->any.sa_family != AF_UNIX ||
        lstat(address->un.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
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
    struct sockaddr_any address;
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    rep->fd = -1;
    rep->max = longest(tuning);
    rep->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    if (sockaddr_parse_datagram(&address, url) < 0)
        goto fail;
    rep->fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (rep->fd < 0)
        goto fail;
    /* No SO_REUSEADDR: no connection holds a UDP port after its server, and
     * with it two servers could share one (R10). */
    if (is_stale(&address))
        (void)unlink(address.un.sun_path);
    if (bind(rep->fd, &address.any, address.len) < 0)
        goto fail;
    rep->address = address;
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
    int64_t deadline = clock_deadline(rep->timeout_ms);
    for (;;) {
        rep->client.len = sizeof(rep->client.storage);
        ssize_t n = recvfrom(rep->fd, rep->request, sizeof(rep->request),
            MSG_TRUNC, &rep->client.any, &rep->client.len);
        if (n >= HEAD && (size_t)n - HEAD <= rep->max) {
            rep->pending = true;
            *data = rep->request + HEAD;
            return n - HEAD;
        }
        if (n >= 0)
            continue; /* no request, or one that is too long (R7, R8) */
        if (wait_for_datagram(rep->fd, deadline) < 0)
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
    memcpy(rep->reply, rep->request, HEAD); /* the request's id */
    if (len > 0)
        memmove(rep->reply + HEAD, data, len);
    rep->pending = false;
    /* A client that has gone or does not receive loses its reply (R6). */
    (void)sendto(
        rep->fd, rep->reply, HEAD + len, 0, &rep->client.any, rep->client.len);
    return 0;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    if (rep->fd >= 0)
        (void)close(rep->fd); /* what was sent is the kernel's by now (R11) */
    if (rep->address.any.sa_family == AF_UNIX)
        (void)unlink(rep->address.un.sun_path);
    free(rep);
}

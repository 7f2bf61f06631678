/*
 * Listen, connect. The kernel leaves three things to us: a server must be able
 * to listen again right after it has ended, must remove the path that a killed
 * server left behind, and a client must connect without waiting.
 */
#include "endpoint.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

bool
endpoint_is_ipc(const struct sockaddr_any *address)
{
    return address->any.sa_family == AF_UNIX;
}

static int
make_socket(const struct sockaddr_any *address)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    return socket(address->any.sa_family, type, 0);
}

/*
 * Whether a path is a socket that nobody has bound any more. The question is
 * put by a datagram socket, because a server must not notice it, and because a
 * full backlog must not answer it: connect(2) fails with EPROTOTYPE if a stream
 * socket is bound there, and with ECONNREFUSED if none is.
 */
static bool
is_stale(const struct sockaddr_any *address)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool stale =
        connect(fd, &address->any, address->len) < 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
}

/*
 * Binds, if need be after removing the path that a killed server left behind.
 * Servers that find it at the same moment do no harm: each removes only the
 * socket that it has found stale (R10, P8).
 */
static int
bind_there(int fd, const struct sockaddr_any *address, const char *url)
{
    int result = bind(fd, &address->any, address->len);
    if (result == 0 || errno != EADDRINUSE || !endpoint_is_ipc(address))
        return result;
    struct ipc_path old;
    if (ipc_path_take(&old, url) == 0) {
        if (is_stale(address))
            ipc_path_remove(&old);
        ipc_path_release(&old);
    }
    return bind(fd, &address->any, address->len);
}

int
endpoint_listen(
    struct sockaddr_any *address, struct ipc_path *path, const char *url)
{
    int on = 1;
    if (sockaddr_parse(address, url) < 0)
        return -1;
    int fd = make_socket(address);
    if (fd < 0)
        return -1;
    /* Or connections of the server before, in TIME_WAIT, hold the port: R5 */
    if (!endpoint_is_ipc(address) &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        goto fail;
    if (bind_there(fd, address, url) < 0)
        goto fail;
    if (ipc_path_take(path, url) < 0)
        goto fail;
    if (listen(fd, SOMAXCONN) < 0) {
        ipc_path_remove(path);
        goto fail;
    }
    return fd;
fail:;
    int errnum = errno;
    (void)close(fd);
    errno = errnum;
    return -1;
}

int
endpoint_connect(const struct sockaddr_any *address, bool *done)
{
    int fd = make_socket(address);
    if (fd < 0)
        return -1;
    int result = connect(fd, &address->any, address->len);
    if (result < 0 && errno != EINPROGRESS) { /* EAGAIN: a full ipc backlog */
        int errnum = errno;
        (void)close(fd);
        errno = errnum;
        return -1;
    }
    *done = result == 0;
    return fd;
}

int
endpoint_nodelay(const struct sockaddr_any *address, int fd)
{
    int on = 1;
    if (endpoint_is_ipc(address))
        return 0;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/*
 * Connecting again and again to a free port of this machine, one day the kernel
 * picks that very port as ours, and the socket meets itself (RFC 9293, 3.5,
 * simultaneous open).
 */
bool
endpoint_is_self(int fd)
{
    struct sockaddr_any here = {.len = sizeof(here.storage)};
    struct sockaddr_any there = {.len = sizeof(there.storage)};
    if (getsockname(fd, &here.any, &here.len) < 0 ||
        getpeername(fd, &there.any, &there.len) < 0)
        return false;
    return here.any.sa_family != AF_UNIX && here.len == there.len &&
        memcmp(&here.any, &there.any, here.len) == 0;
}

/*
 * Listen, connect. The kernel leaves three things to us: a server must be able
 * to listen again right after it has ended, must remove the path that a killed
 * server left behind, and a client must connect without waiting.
 */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum {
    LOCK_TRIES = 200, /* a millisecond each */
};

static bool
is_ipc(const struct sockaddr_any *address)
{
    return address->any.sa_family == AF_UNIX;
}

static int
make_socket(const struct sockaddr_any *address)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    return socket(address->any.sa_family, type, 0);
}

/* Whether a path belongs to a socket that nobody listens on any more. */
static bool
is_stale(const struct sockaddr_any *address)
{
    int fd = make_socket(address);
    if (fd < 0)
        return false;
    bool stale =
        connect(fd, &address->any, address->len) < 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
}

static int
listen_there(const struct sockaddr_any *address)
{
    int on = 1;
    int fd = make_socket(address);
    if (fd < 0)
        return -1;
    /* Or connections of the server before, in TIME_WAIT, hold the port. */
    if (!is_ipc(address) &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        goto fail;
    int result = bind(fd, &address->any, address->len);
    if (result < 0 && errno == EADDRINUSE && is_ipc(address)) {
        if (!is_stale(address)) {
            errno = EADDRINUSE;
            goto fail;
        }
        endpoint_unlink(address);
        result = bind(fd, &address->any, address->len);
    }
    if (result < 0)
        goto fail;
    if (listen(fd, SOMAXCONN) < 0) {
        endpoint_unlink(address);
        goto fail;
    }
    return fd;
fail:
    (void)close(fd); /* keeps errno: a close of ours does not fail */
    return -1;
}

/*
 * Between its bind and its listen, a server's path looks stale to the next one,
 * and to remove a stale path and bind are two calls, too. So servers that start
 * at the same moment take turns, by a lock on the directory: for a while, since
 * anybody may hold it.
 */
static int
lock_directory(const struct sockaddr_any *address)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    char path[sizeof(address->un.sun_path)];
    memcpy(path, address->un.sun_path, sizeof(path));
    int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        (void)nanosleep(&pause, NULL); /* cut short, it is tried sooner */
    }
    return fd;
}

int
endpoint_listen(const struct sockaddr_any *address)
{
    int lock = is_ipc(address) ? lock_directory(address) : -1;
    int fd = listen_there(address);
    int errnum = errno;
    if (lock >= 0)
        (void)close(lock); /* which unlocks */
    errno = errnum;
    return fd;
}

void
endpoint_unlink(const struct sockaddr_any *address)
{
    if (is_ipc(address))
        (void)unlink(address->un.sun_path);
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
    if (is_ipc(address))
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

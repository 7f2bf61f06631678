/*
 * sockaddr, listen, connect. The libraries take a URL; the kernel takes one of
 * three structures, and leaves it to us to make a listening socket that can be
 * restarted at once, to remove the path that a killed server left behind, and
 * to connect without waiting.
 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    LOCK_TRIES = 200, /* a millisecond each */
};

static int
parse_tcp(struct address *ret, const char *rest)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(rest, ':');
    if (!colon || (size_t)(colon - rest) >= sizeof(host))
        return -1;
    size_t len = (size_t)(colon - rest);
    memcpy(host, rest, len);
    host[len] = '\0';
    in_port_t port = htons((uint16_t)strtoul(colon + 1, NULL, 10));

    if (host[0] == '[' && host[len - 1] == ']') {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->storage;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = port;
        ret->len = sizeof(*in6);
        host[len - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? 0 : -1;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)&ret->storage;
    in->sin_family = AF_INET;
    in->sin_port = port;
    ret->len = sizeof(*in);
    if (strcmp(host, "*") == 0)
        in->sin_addr.s_addr = htonl(INADDR_ANY);
    else if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
        return -1;
    return 0;
}

static int
parse_ipc(struct address *ret, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&ret->storage;
    size_t len = strlen(path);
    if (path[0] != '/' || len >= sizeof(un->sun_path))
        return -1;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    ret->len = sizeof(*un);
    return 0;
}

int
address_parse(struct address *ret, const char *url)
{
    struct address address = {0};
    int result = -1;
    if (strncmp(url, "tcp://", 6) == 0)
        result = parse_tcp(&address, url + 6);
    else if (strncmp(url, "ipc://", 6) == 0)
        result = parse_ipc(&address, url + 6);
    if (result < 0) {
        errno = EINVAL;
        return -1;
    }
    *ret = address;
    return 0;
}

static bool
is_ipc(const struct address *address)
{
    return address->storage.ss_family == AF_UNIX;
}

static int
make_socket(const struct address *address)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    return socket(address->storage.ss_family, type, 0);
}

/* Whether a path belongs to a socket that nobody listens on any more. */
static bool
is_stale(const struct address *address)
{
    int fd = make_socket(address);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)&address->storage,
                     address->len) < 0 &&
        errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
}

static int
listen_there(const struct address *address)
{
    const struct sockaddr *name = (const struct sockaddr *)&address->storage;
    int on = 1;
    int fd = make_socket(address);
    if (fd < 0)
        return -1;
    /* Or connections of the server before, in TIME_WAIT, hold the port. */
    if (!is_ipc(address) &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        goto fail;
    int result = bind(fd, name, address->len);
    if (result < 0 && errno == EADDRINUSE && is_ipc(address)) {
        if (!is_stale(address)) {
            errno = EADDRINUSE;
            goto fail;
        }
        address_unlink(address);
        result = bind(fd, name, address->len);
    }
    if (result < 0)
        goto fail;
    if (listen(fd, SOMAXCONN) < 0) {
        address_unlink(address);
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
lock_directory(const struct address *address)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const struct sockaddr_un *un =
        (const struct sockaddr_un *)&address->storage;
    memcpy(path, un->sun_path, sizeof(path));
    int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        (void)nanosleep(&pause, NULL); /* cut short, it is tried sooner */
    }
    return fd;
}

int
address_listen(const struct address *address)
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
address_unlink(const struct address *address)
{
    if (is_ipc(address))
        (void)unlink(((const struct sockaddr_un *)&address->storage)->sun_path);
}

int
address_connect(const struct address *address, bool *done)
{
    int fd = make_socket(address);
    if (fd < 0)
        return -1;
    int result =
        connect(fd, (const struct sockaddr *)&address->storage, address->len);
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
address_nodelay(const struct address *address, int fd)
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
address_is_self(int fd)
{
    struct sockaddr_storage here = {0};
    struct sockaddr_storage there = {0};
    socklen_t here_len = sizeof(here);
    socklen_t there_len = sizeof(there);
    if (getsockname(fd, (struct sockaddr *)&here, &here_len) < 0 ||
        getpeername(fd, (struct sockaddr *)&there, &there_len) < 0)
        return false;
    return here.ss_family != AF_UNIX && here_len == there_len &&
        memcmp(&here, &there, here_len) == 0;
}

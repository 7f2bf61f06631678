/*
 * Sockets at an address, and an address as a URL. What deserves care is the path
 * of a UNIX socket: it outlives its server, so the tap must ask whether a server
 * is still there before it binds. The server must not notice the question (some
 * libraries' listeners suffer from a connection that says nothing), so the tap
 * asks with a datagram socket: connect(2) then fails with EPROTOTYPE if a stream
 * server listens, and with ECONNREFUSED if nobody does.
 */
#include "tap_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
tap_address_print(char ret[RECORD_NAME_MAX], const struct sockaddr_any *address)
{
    char host[INET6_ADDRSTRLEN] = "?";
    char scope[16] = "";
    if (address->any.sa_family == AF_UNIX) {
        bool named = address->len > offsetof(struct sockaddr_un, sun_path);
        const char *path = named ? address->un.sun_path : "";
        if (named && path[0] == '\0') /* Linux's abstract names; not ours to listen on */
            (void)snprintf(ret, RECORD_NAME_MAX, "ipc://@");
        else
            (void)snprintf(ret, RECORD_NAME_MAX, "ipc://%.108s", path);
    } else if (address->any.sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = &address->in6;
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        if (in6->sin6_scope_id != 0)
            (void)snprintf(scope, sizeof(scope), "%%%u", in6->sin6_scope_id);
        (void)snprintf(ret, RECORD_NAME_MAX, "tcp://[%s%s]:%u", host, scope, ntohs(in6->sin6_port));
    } else {
        (void)inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof(host));
        (void)snprintf(ret, RECORD_NAME_MAX, "tcp://%s:%u", host, ntohs(address->in.sin_port));
    }
}

int
tap_address_own(struct sockaddr_any *ret, int fd)
{
    memset(ret, 0, sizeof(*ret));
    ret->len = sizeof(ret->storage);
    return getsockname(fd, &ret->any, &ret->len);
}

int
tap_address_tune(const struct sockaddr_any *address, int fd)
{
    int one = 1;
    if (address->any.sa_family == AF_UNIX)
        return 0;
    /* An urgent byte would be lost; in line it is passed on, if no longer as urgent. */
    if (setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)) < 0)
        return -1;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int
tap_address_socket(const struct sockaddr_any *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && tap_address_tune(address, fd) < 0) {
        int errnum = errno;
        (void)close(fd);
        errno = errnum;
        return -1;
    }
    return fd;
}

/* Makes room at the path: removes a dead server's socket, refuses anything else. */
static int
clear_path(const struct sockaddr_any *address)
{
    const char *path = address->un.sun_path;
    struct stat there;
    int error = 0;
    if (lstat(path, &there) < 0)
        return errno == ENOENT ? 0 : -1;
    if (!S_ISSOCK(there.st_mode)) {
        errno = EEXIST;
        return -1;
    }
    int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return -1;
    if (connect(probe, &address->any, address->len) < 0)
        error = errno;
    (void)close(probe);
    if (error != ECONNREFUSED) { /* EPROTOTYPE or 0: alive; EACCES and the like: not ours */
        errno = error == 0 || error == EPROTOTYPE ? EADDRINUSE : error;
        return -1;
    }
    return unlink(path) < 0 && errno != ENOENT ? -1 : 0;
}

int
tap_address_listen(const struct sockaddr_any *address, struct stat *id)
{
    int one = 1;
    int family = address->any.sa_family;
    int fd = tap_address_socket(address);
    memset(id, 0, sizeof(*id));
    if (fd < 0)
        return -1;
    if (family == AF_UNIX) {
        if (clear_path(address) < 0)
            goto fail;
    } else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0) {
        goto fail;
    }
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
        goto fail;
    if (bind(fd, &address->any, address->len) < 0)
        goto fail;
    if (family == AF_UNIX && lstat(address->un.sun_path, id) < 0)
        goto fail;
    if (listen(fd, SOMAXCONN) < 0) {
        tap_address_remove(address, id);
        goto fail;
    }
    return fd;
fail:;
    int errnum = errno;
    (void)close(fd);
    errno = errnum;
    return -1;
}

void
tap_address_remove(const struct sockaddr_any *address, const struct stat *id)
{
    struct stat there;
    if (address->any.sa_family != AF_UNIX || id->st_ino == 0)
        return;
    if (lstat(address->un.sun_path, &there) == 0 && there.st_dev == id->st_dev &&
        there.st_ino == id->st_ino)
        (void)unlink(address->un.sun_path); /* nothing could be done about it */
}

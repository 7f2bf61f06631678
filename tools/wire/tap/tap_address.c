/*
 * Addresses: from URL to sockaddr and back, and the sockets made of them. What
 * deserves care is the path of a UNIX socket: it outlives its server, so bind(2)
 * must be preceded by the question whether somebody is still there. The question
 * must not reach that somebody (some libraries' listeners suffer from a connection
 * that says nothing), so it is asked with a datagram socket: connect(2) then
 * fails with EPROTOTYPE if there is a stream server, with ECONNREFUSED if nobody.
 */
#include "tap_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
parse_port(const char *text, bool listening)
{
    char *end;
    long port;

    if (text[0] < '0' || text[0] > '9')
        return -1;
    errno = 0;
    port = strtol(text, &end, 10);
    if (*end != '\0' || errno != 0 || port > 65535 || (port == 0 && !listening))
        return -1;
    return (int)port;
}

static int
parse_tcp(struct address *ret, const char *rest, bool listening, const char **why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct addrinfo *best;
    const char *colon = strrchr(rest, ':');
    char host[256];
    size_t len;
    int port = colon == NULL ? -1 : parse_port(colon + 1, listening);
    int error;

    errno = EINVAL;
    if (port < 0) {
        *why = listening ? "the port must be 0 to 65535" : "the port must be 1 to 65535";
        return -1;
    }
    len = (size_t)(colon - rest);
    if (len == 0 || len >= sizeof(host)) {
        *why = "no host before the port";
        return -1;
    }
    if (rest[0] == '[' && rest[len - 1] == ']') {
        rest++;
        len -= 2;
        hints.ai_family = AF_INET6;
        hints.ai_flags = AI_NUMERICHOST;
    } else if (memchr(rest, ':', len) != NULL) {
        *why = "an IPv6 address stands in brackets: tcp://[::1]:5555";
        return -1;
    }
    memcpy(host, rest, len);
    host[len] = '\0';
    if (strcmp(host, "*") == 0) {
        if (!listening) {
            *why = "\"*\" is good to listen on only";
            return -1;
        }
        memcpy(host, "0.0.0.0", sizeof("0.0.0.0"));
    }
    error = getaddrinfo(host, NULL, &hints, &found);
    if (error != 0) {
        *why = gai_strerror(error);
        errno = ENOENT;
        return -1;
    }
    for (best = found; best->ai_family != AF_INET && best->ai_next != NULL; best = best->ai_next)
        ;
    if (best->ai_family != AF_INET)
        best = found;
    memcpy(&ret->is, best->ai_addr, best->ai_addrlen);
    ret->len = best->ai_addrlen;
    freeaddrinfo(found);
    if (ret->is.any.sa_family == AF_INET6)
        ((struct sockaddr_in6 *)&ret->is)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)&ret->is)->sin_port = htons((uint16_t)port);
    return 0;
}

int
address_parse(struct address *ret, const char *url, bool listening, const char **why)
{
    size_t len;

    memset(ret, 0, sizeof(*ret));
    if (strncmp(url, "tcp://", 6) == 0)
        return parse_tcp(ret, url + 6, listening, why);
    errno = EINVAL;
    if (strncmp(url, "ipc:///", 7) != 0) {
        *why = "an address looks like tcp://127.0.0.1:5555 or ipc:///tmp/path";
        return -1;
    }
    url += 6;
    len = strlen(url);
    if (len < 2 || len >= sizeof(ret->is.local.sun_path)) {
        *why = "the path must be of 2 to 107 bytes";
        return -1;
    }
    ret->is.local.sun_family = AF_UNIX;
    memcpy(ret->is.local.sun_path, url, len + 1);
    ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return 0;
}

void
address_print(char ret[RECORD_NAME_MAX], const struct address *address)
{
    char host[INET6_ADDRSTRLEN] = "?";
    char scope[16] = "";

    if (address->is.any.sa_family == AF_UNIX) {
        bool named = address->len > offsetof(struct sockaddr_un, sun_path);
        const char *path = named ? address->is.local.sun_path : "";

        if (named && path[0] == '\0') /* Linux's abstract names; not ours to listen on */
            (void)snprintf(ret, RECORD_NAME_MAX, "ipc://@");
        else
            (void)snprintf(ret, RECORD_NAME_MAX, "ipc://%.108s", path);
    } else if (address->is.any.sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&address->is;

        (void)inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
        if (in->sin6_scope_id != 0)
            (void)snprintf(scope, sizeof(scope), "%%%u", in->sin6_scope_id);
        (void)snprintf(ret, RECORD_NAME_MAX, "tcp://[%s%s]:%u", host, scope, ntohs(in->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->is;

        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        (void)snprintf(ret, RECORD_NAME_MAX, "tcp://%s:%u", host, ntohs(in->sin_port));
    }
}

int
address_own(struct address *ret, int fd)
{
    memset(ret, 0, sizeof(*ret));
    ret->len = sizeof(ret->is.storage);
    return getsockname(fd, &ret->is.any, &ret->len);
}

int
address_peer(struct address *ret, int fd)
{
    memset(ret, 0, sizeof(*ret));
    ret->len = sizeof(ret->is.storage);
    return getpeername(fd, &ret->is.any, &ret->len);
}

int
address_tune(const struct address *address, int fd)
{
    int one = 1;

    if (address->is.any.sa_family == AF_UNIX)
        return 0;
    /* An urgent byte would be lost; in line it is passed on, if no longer as urgent. */
    if (setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)) < 0)
        return -1;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int
address_socket(const struct address *address)
{
    int fd = socket(address->is.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && address_tune(address, fd) < 0) {
        int saved = errno;

        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Makes room at the path: removes a dead server's socket, refuses anything else. */
static int
clear_path(const struct address *address)
{
    const char *path = address->is.local.sun_path;
    struct stat there;
    int probe;
    int error = 0;

    if (lstat(path, &there) < 0)
        return errno == ENOENT ? 0 : -1;
    if (!S_ISSOCK(there.st_mode)) {
        errno = EEXIST;
        return -1;
    }
    probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return -1;
    if (connect(probe, &address->is.any, address->len) < 0)
        error = errno;
    (void)close(probe);
    if (error != ECONNREFUSED) { /* EPROTOTYPE or 0: alive; EACCES and the like: not ours */
        errno = error == 0 || error == EPROTOTYPE ? EADDRINUSE : error;
        return -1;
    }
    return unlink(path) < 0 && errno != ENOENT ? -1 : 0;
}

int
address_listen(const struct address *address, struct stat *id)
{
    int one = 1;
    int saved;
    int family = address->is.any.sa_family;
    int fd = address_socket(address);

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
    if (bind(fd, &address->is.any, address->len) < 0)
        goto fail;
    if (family == AF_UNIX && lstat(address->is.local.sun_path, id) < 0)
        goto fail;
    if (listen(fd, SOMAXCONN) < 0) {
        address_remove(address, id);
        goto fail;
    }
    return fd;
fail:
    saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

void
address_remove(const struct address *address, const struct stat *id)
{
    struct stat there;

    if (address->is.any.sa_family != AF_UNIX || id->st_ino == 0)
        return;
    if (lstat(address->is.local.sun_path, &there) == 0 && there.st_dev == id->st_dev &&
        there.st_ino == id->st_ino)
        (void)unlink(address->is.local.sun_path); /* nothing could be done about it */
}

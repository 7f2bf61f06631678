/* A plain socket at a URL, as a first program makes it: it blocks, and has no option but one. */
#ifndef PLAIN_H
#define PLAIN_H

#include "sockaddr.h"

#include <unistd.h>

/* Listens at tcp://1.2.3.4:PORT or ipc:///PATH, with a backlog of 1. -1 and errno. */
static inline int
plain_listen(const char *url)
{
    struct sockaddr_any at;
    int on = 1;
    if (sockaddr_parse(&at, url) < 0)
        return -1;
    int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, &at.any, at.len) == 0 && listen(fd, 1) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd); /* keeps errno */
    return -1;
}

/* Connects to such a URL. -1 and errno. */
static inline int
plain_connect(const char *url)
{
    struct sockaddr_any to;
    if (sockaddr_parse(&to, url) < 0)
        return -1;
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, &to.any, to.len) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd); /* keeps errno */
    return -1;
}

#endif

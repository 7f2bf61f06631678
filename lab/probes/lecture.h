/*
 * What the probes of the lecture's sockets share: places to listen at and to
 * connect to, and a JSON line for each call that they show.
 */
#ifndef LECTURE_H
#define LECTURE_H

#include "clock.h"
#include "json.h"
#include "sockaddr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a call returned; on -1 also what the system says to it. */
static inline long
say(const char *event, long result)
{
    const char *error = result < 0 ? strerror(errno) : "";
    printf("{\"event\":\"%s\",\"result\":%ld,\"error\":", event, result);
    json_string(stdout, error, strlen(error));
    puts("}");
    fflush(stdout);
    return result;
}

/* Where the plumbing itself fails, nothing can be shown. */
static inline int
fail(const char *what)
{
    perror(what);
    return 1;
}

static inline long
now_ms(void)
{
    return clock_now() / CLOCK_MS;
}

/* A socket bound to a path, or, for "inet", to a free port of the loopback interface. */
static inline int
bind_at(struct sockaddr_any *ret, const char *where, int type)
{
    char url[128];
    struct sockaddr_any place;
    snprintf(url, sizeof(url), "ipc://%s", where);
    if (sockaddr_parse(&place, strcmp(where, "inet") == 0 ? "tcp://127.0.0.1:0" : url) < 0)
        return -1;
    int fd = socket(place.any.sa_family, type, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, &place.any, place.len) < 0)
        goto fail;
    place.len = sizeof(place.storage);
    if (getsockname(fd, &place.any, &place.len) < 0)
        goto fail;
    *ret = place;
    return fd;
fail:
    close(fd);
    return -1;
}

static inline int
listen_at(struct sockaddr_any *ret, const char *where, int backlog)
{
    int fd = bind_at(ret, where, SOCK_STREAM);
    if (fd < 0 || listen(fd, backlog) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int
connect_to(int fd, const struct sockaddr_any *place)
{
    return connect(fd, &place->any, place->len);
}

/* Both ends of a connection over TCP ("inet") or a UNIX socket at a path. */
static inline int
connect_pair(int ret[2], const char *where)
{
    struct sockaddr_any place;
    int server = listen_at(&place, where, 1);
    if (server < 0)
        return -1;
    int peer = -1, client = socket(place.any.sa_family, SOCK_STREAM, 0);
    if (client >= 0 && connect_to(client, &place) == 0)
        peer = accept(server, NULL, NULL);
    if (place.any.sa_family == AF_UNIX)
        (void)unlink(where);
    close(server);
    if (peer < 0) {
        if (client >= 0)
            close(client);
        return -1;
    }
    ret[0] = client;
    ret[1] = peer;
    return 0;
}

#endif

/*
 * What the probes of the lecture's sockets share: places to listen at and to
 * connect to, and a JSON line for each call that they show.
 */
#ifndef LECTURE_H
#define LECTURE_H

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct place {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* What a call returned; on -1 also what the system says to it. */
static inline long
say(const char *event, long result)
{
    const char *error = result < 0 ? strerror(errno) : "";
    printf("{\"event\":\"%s\",\"result\":%ld,\"error\":\"%s\"}\n", event, result, error);
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
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A socket bound to a path, or, for "inet", to a free port of the loopback interface. */
static inline int
bind_at(struct place *ret, const char *where, int type)
{
    struct place place = {0};
    if (strcmp(where, "inet") == 0) {
        struct sockaddr_in *in = (struct sockaddr_in *)&place.addr;
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        place.len = sizeof(*in);
    } else {
        struct sockaddr_un *un = (struct sockaddr_un *)&place.addr;
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof(un->sun_path), "%s", where);
        place.len = sizeof(*un);
    }
    int fd = socket(place.addr.ss_family, type, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&place.addr, place.len) < 0)
        goto fail;
    place.len = sizeof(place.addr);
    if (getsockname(fd, (struct sockaddr *)&place.addr, &place.len) < 0)
        goto fail;
    *ret = place;
    return fd;
fail:
    close(fd);
    return -1;
}

static inline int
listen_at(struct place *ret, const char *where, int backlog)
{
    int fd = bind_at(ret, where, SOCK_STREAM);
    if (fd < 0 || listen(fd, backlog) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int
connect_to(int fd, const struct place *place)
{
    return connect(fd, (const struct sockaddr *)&place->addr, place->len);
}

/* Both ends of a connection over TCP ("inet") or a UNIX socket at a path. */
static inline int
connect_pair(int ret[2], const char *where)
{
    struct place place;
    int server = listen_at(&place, where, 1);
    if (server < 0)
        return -1;
    int peer = -1, client = socket(place.addr.ss_family, SOCK_STREAM, 0);
    if (client >= 0 && connect_to(client, &place) == 0)
        peer = accept(server, NULL, NULL);
    if (place.addr.ss_family == AF_UNIX)
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

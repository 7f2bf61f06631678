/*
 * The life of a UNIX socket's path: a server binds it and ends; others come.
 *
 *   path-stays PATH
 */
#include "lecture.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Whether there is a socket at the path: 1, or -1 and why not. */
static int
look(const char *path)
{
    struct stat found;
    return stat(path, &found) < 0 ? -1 : S_ISSOCK(found.st_mode);
}

static int
try_connect(const struct sockaddr_any *place)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        exit(fail("socket"));
    int result = connect_to(fd, place);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

/* A server that binds, listens and ends, without a word about the path. */
static int
short_life(const char *where)
{
    int status;
    pid_t server = fork();
    if (server == 0) {
        struct sockaddr_any place;
        _exit(listen_at(&place, where, 1) < 0);
    }
    return server > 0 && waitpid(server, &status, 0) == server && status == 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    const char *path = argv[1];
    char url[128];
    struct sockaddr_any place, found;
    snprintf(url, sizeof(url), "ipc://%s", path);
    if (sockaddr_parse(&place, url) < 0)
        return 2;

    say("nothing yet", try_connect(&place));
    if (short_life(path) < 0)
        return fail("the first server");
    say("left", look(path));
    say("connect to what is left", try_connect(&place));
    int server = listen_at(&found, path, 1);
    say("bind again", server);
    say("unlink", unlink(path));
    server = listen_at(&found, path, 1);
    say("bind after unlink", server < 0 ? -1 : 0);

    /* The same cure against a server that lives: it loses its name, not its life. */
    int early = socket(AF_UNIX, SOCK_STREAM, 0);
    if (early < 0 || connect_to(early, &place) < 0 || unlink(path) < 0)
        return fail("the living server");
    int thief = listen_at(&found, path, 1);
    say("thief binds", thief < 0 ? -1 : 0);
    say("new client", try_connect(&place));
    say("reaches the thief", accept4(thief, NULL, NULL, SOCK_NONBLOCK) < 0 ? -1 : 0);
    int peer = accept4(server, NULL, NULL, SOCK_NONBLOCK);
    char byte = 0;
    say("early client",
        peer < 0 || send(peer, "x", 1, 0) < 0 || recv(early, &byte, 1, 0) != 1 ? -1 : 0);

    /* Linux's names without a file: the first byte is zero. */
    char *name = place.un.sun_path;
    memset(name, 0, sizeof(place.un.sun_path));
    int len = snprintf(name + 1, sizeof(place.un.sun_path) - 1, "triptych-path-%d", getpid());
    place.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    for (int life = 1; life <= 2; life++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (fd < 0)
            return fail("socket");
        say("abstract", bind(fd, &place.any, place.len));
        close(fd);
    }
    return 0;
}

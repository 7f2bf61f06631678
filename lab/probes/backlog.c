/*
 * A server that listens and does not accept. How many connections wait for it,
 * what does the next one see, and what becomes of it once one is accepted?
 *
 *   backlog inet|PATH BACKLOG
 */
#include "asleep.h"
#include "lecture.h"

#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>

enum {
    MOST = 64, /* connections that we try */
    PATIENCE_MS = 300, /* for one that is made at once, or not yet */
    ACCEPT_MS = 200, /* then the server accepts one */
    LIMIT_MS = 20 * 1000,
};

/* A blocking connect that gives up after so long: socket(7), SO_SNDTIMEO. */
static int
try(const struct sockaddr_any *place, int limit_ms)
{
    struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};
    int fd = socket(place->any.sa_family, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
        exit(fail("socket"));
    if (connect_to(fd, place) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int
main(int argc, char **argv)
{
    struct sockaddr_any place;
    char byte;
    if (argc != 3)
        return 2;
    int server = listen_at(&place, argv[1], atoi(argv[2]));
    if (server < 0)
        return fail(argv[1]);

    int waiting[MOST], n = 0;
    while (n < MOST && (waiting[n] = try(&place, PATIENCE_MS)) >= 0)
        n++;
    if (n == MOST)
        return fail("all were connected");
    say("next", -1);
    say("waiting", n);
    say("send", send(waiting[0], "hello", 5, 0));

    pid_t accepting = fork();
    if (accepting == 0) {
        while (!asleep("/proc", getppid())) /* in the connect below */
            usleep(1000);
        usleep(ACCEPT_MS * 1000);
        _exit(accept(server, NULL, NULL) < 0);
    }
    long start = now_ms();
    int late = try(&place, LIMIT_MS);
    say("late", late < 0 ? -1 : now_ms() - start);
    int status;
    if (accepting < 0 || waitpid(accepting, &status, 0) < 0 || status != 0)
        return fail("accept");

    close(server);
    say("recv", recv(waiting[n - 1], &byte, 1, 0));
    say("gone", try(&place, PATIENCE_MS));
    return 0;
}

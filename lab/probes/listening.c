/*
 * The descriptor that listens: what reading, writing and polling it say, before
 * and after a client has connected to it and sent a line.
 *
 *   listening inet|PATH
 */
#include "lecture.h"

#include <poll.h>
#include <signal.h>

static volatile sig_atomic_t signals;

static void
count(int number)
{
    (void)number;
    signals++;
}

static int
ready(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return poll(&waiting, 1, 5000);
}

int
main(int argc, char **argv)
{
    struct sockaddr_any place;
    char line[16];
    int listens = 0;
    socklen_t len = sizeof(listens);
    if (argc != 2 || signal(SIGPIPE, count) == SIG_ERR)
        return 2;
    int server = listen_at(&place, argv[1], 1);
    if (server < 0)
        return fail(argv[1]);
    say("read before", read(server, line, sizeof(line)));

    int client = socket(place.any.sa_family, SOCK_STREAM, 0);
    if (client < 0 || connect_to(client, &place) < 0 || send(client, "hello", 5, 0) != 5)
        return fail("client");
    say("poll", ready(server));
    say("read", read(server, line, sizeof(line)));
    say("write", write(server, "hello", 5));
    say("SIGPIPE", signals);
    say("SO_ACCEPTCONN",
        getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 ? -1 : listens);

    int peer = accept(server, NULL, NULL);
    if (peer < 0)
        return fail("accept");
    say("read of accepted", read(peer, line, sizeof(line)));
    len = sizeof(listens);
    say("SO_ACCEPTCONN of accepted",
        getsockopt(peer, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 ? -1 : listens);
    close(server);
    say("send after close of the listening one", send(client, "again", 5, 0));
    say("read after close of the listening one", read(peer, line, sizeof(line)));
    return 0;
}

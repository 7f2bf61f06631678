/*
 * Saying "that was all" and still listening: shutdown(2), beside close(2), in a
 * connection over TCP or a UNIX socket.
 *
 *   half-closed inet|PATH
 */
#include "lecture.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>

static int ends[2]; /* client, server */

static void
reconnect(const char *where)
{
    close(ends[0]);
    close(ends[1]);
    if (connect_pair(ends, where) < 0)
        exit(fail("connect"));
}

enum {
    LIMIT_MS = 5000, /* for what comes */
    SILENT_MS = 200, /* for what does not */
};

/* recv that waits for at most so long: EAGAIN if nothing came, not even an end. */
static ssize_t
receive_within(int fd, int ms)
{
    char bytes[64];
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    if (poll(&waiting, 1, ms) < 0)
        return -1;
    return recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
}

static ssize_t
receive(int fd)
{
    return receive_within(fd, LIMIT_MS);
}

int
main(int argc, char **argv)
{
    if (argc != 2 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return 2;
    const char *where = argv[1];
    ends[0] = ends[1] = -1;

    /* The client says that this was all; the answer still comes. */
    reconnect(where);
    say("ask", send(ends[0], "question", 8, 0));
    say("shutdown", shutdown(ends[0], SHUT_WR));
    say("server receives", receive(ends[1]));
    say("server receives the end", receive(ends[1]));
    say("server answers", send(ends[1], "answer", 6, 0));
    say("client receives", receive(ends[0]));
    say("client sends more", send(ends[0], "more", 4, 0));

    /* The same with close: the server's answer has nowhere to go. */
    reconnect(where);
    if (send(ends[0], "question", 8, 0) != 8)
        return fail("send");
    close(ends[0]);
    ends[0] = -1;
    say("closed: server receives", receive(ends[1]));
    say("closed: server receives the end", receive(ends[1]));
    say("closed: server answers", send(ends[1], "answer", 6, 0));
    struct pollfd reset = {.fd = ends[1]};
    (void)poll(&reset, 1, LIMIT_MS); /* until the peer's reset is there: POLLERR or POLLHUP */
    say("closed: server answers again", send(ends[1], "answer", 6, 0));

    /* Two descriptors of one socket, as after fork(2). */
    reconnect(where);
    int copy = dup(ends[0]);
    close(ends[0]);
    ends[0] = copy;
    say("copy kept, one closed", receive_within(ends[1], SILENT_MS));
    copy = dup(ends[0]);
    if (copy < 0 || shutdown(copy, SHUT_WR) < 0)
        return fail("copy");
    close(copy);
    say("copy kept, one shut down", receive(ends[1]));

    /* The other half: "I read no more." */
    reconnect(where);
    say("SHUT_RD", shutdown(ends[0], SHUT_RD));
    say("SHUT_RD: read", receive(ends[0]));
    say("SHUT_RD: peer sends", send(ends[1], "answer", 6, 0));
    say("SHUT_RD: read again", receive(ends[0]));
    return 0;
}

/*
 * What the flags of send and recv do, each beside the call without it.
 *
 *   flags inet|PATH
 *   flags route: in a network 198.51.100.0/24 with a router
 */
#include "lecture.h"

#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>

static volatile sig_atomic_t signals;

static void
count(int number)
{
    (void)number;
    signals++;
}

static char bytes[64];

static void
peek(int client, int server)
{
    say("send with flags 0", send(client, "hello", 5, 0));
    say("MSG_PEEK", recv(server, bytes, sizeof(bytes), MSG_PEEK));
    say("MSG_PEEK again", recv(server, bytes, sizeof(bytes), MSG_PEEK));
    say("recv after it", recv(server, bytes, sizeof(bytes), 0));
}

/* A recv of nothing, and how long it took. Printing may take longer on a busy machine. */
static void
timed(const char *event, int server, int flags)
{
    char name[64];
    long start = now_ms();
    ssize_t got = recv(server, bytes, sizeof(bytes), flags);
    int error = errno;
    long ms = now_ms() - start;
    errno = error;
    say(event, got);
    snprintf(name, sizeof(name), "%s, ms", event);
    say(name, ms);
}

static void
dont_wait(int server)
{
    struct timeval limit = {.tv_usec = 200 * 1000};
    timed("MSG_DONTWAIT", server, MSG_DONTWAIT);
    if (setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
        exit(fail("SO_RCVTIMEO"));
    timed("flags 0, SO_RCVTIMEO", server, 0);
}

/* Three bytes, two urgent ones, three bytes: what comes out, and where? */
static void
urgent(int client, int server)
{
    if (send(client, "abc", 3, 0) != 3)
        exit(fail("send"));
    if (say("send with MSG_OOB", send(client, "XY", 2, MSG_OOB)) != 2)
        return;
    if (send(client, "def", 3, 0) != 3)
        exit(fail("send"));
    /* Until all has come; a UNIX socket counts what is unread instead, and needs no waiting. */
    int left = 1, domain = AF_UNIX;
    socklen_t len = sizeof(domain);
    (void)getsockopt(client, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    while (domain == AF_INET && ioctl(client, SIOCOUTQ, &left) == 0 && left > 0)
        usleep(1000);
    say("recv up to the mark", recv(server, bytes, sizeof(bytes), 0));
    bytes[0] = 0;
    say("recv with MSG_OOB", recv(server, bytes, sizeof(bytes), MSG_OOB));
    say("the urgent byte is the last", bytes[0] == 'Y');
    say("recv behind the mark", recv(server, bytes, sizeof(bytes), 0));
}

static void
write_or_send(int client, int server)
{
    int ends[2];
    if (pipe(ends) < 0)
        exit(fail("pipe"));
    say("write", write(client, "hello", 5));
    say("write arrives", recv(server, bytes, sizeof(bytes), 0));
    say("write to a pipe", write(ends[1], "hello", 5));
    say("send to a pipe", send(ends[1], "hello", 5, 0));

    if (shutdown(client, SHUT_WR) < 0)
        exit(fail("shutdown"));
    say("write, broken", write(client, "x", 1));
    say("write, broken: SIGPIPE", signals);
    signals = 0;
    say("send with flags 0, broken", send(client, "x", 1, 0));
    say("send with flags 0, broken: SIGPIPE", signals);
    signals = 0;
    say("send with MSG_NOSIGNAL, broken", send(client, "x", 1, MSG_NOSIGNAL));
    say("send with MSG_NOSIGNAL, broken: SIGPIPE", signals);
}

/*
 * recv(2), NOTES: of an empty datagram "read(2) has no effect (the datagram
 * remains pending)". It and "next" wait: which one is there after a read?
 */
static void
empty_datagram(const char *event, size_t room, int with_recv)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) < 0)
        exit(fail("socketpair"));
    if (send(ends[0], "", 0, 0) != 0 || send(ends[0], "next", 4, 0) != 4)
        exit(fail("send"));
    ssize_t n = with_recv ? recv(ends[1], bytes, room, 0) : read(ends[1], bytes, room);
    if (n != 0)
        exit(fail("empty datagram"));
    say(event, recv(ends[1], bytes, sizeof(bytes), 0));
    close(ends[0]);
    close(ends[1]);
}

/* To a neighbour and to one behind a router, with and without the flag: addresses of RFC 5737. */
static void
dont_route(void)
{
    struct sockaddr_any near, far;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || sockaddr_parse(&near, "tcp://198.51.100.3:9") < 0 ||
        sockaddr_parse(&far, "tcp://192.0.2.1:9") < 0)
        exit(fail("socket"));
    say("neighbour, flags 0", sendto(fd, "x", 1, 0, &near.any, near.len));
    say("neighbour, MSG_DONTROUTE", sendto(fd, "x", 1, MSG_DONTROUTE, &near.any, near.len));
    say("behind a router, flags 0", sendto(fd, "x", 1, 0, &far.any, far.len));
    say("behind a router, MSG_DONTROUTE", sendto(fd, "x", 1, MSG_DONTROUTE, &far.any, far.len));
    close(fd);
}

int
main(int argc, char **argv)
{
    int ends[2];
    if (argc != 2 || signal(SIGPIPE, count) == SIG_ERR)
        return 2;
    if (strcmp(argv[1], "route") == 0) {
        dont_route();
        return 0;
    }
    if (connect_pair(ends, argv[1]) < 0)
        return fail(argv[1]);
    peek(ends[0], ends[1]);
    dont_wait(ends[1]);
    urgent(ends[0], ends[1]);
    while (recv(ends[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ; /* where urgent bytes are not known, the three before them are left */
    write_or_send(ends[0], ends[1]);
    empty_datagram("after an empty datagram's read", sizeof(bytes), 0);
    empty_datagram("after an empty datagram's recv", sizeof(bytes), 1);
    empty_datagram("after an empty datagram's read of 0 bytes", 0, 0);
    empty_datagram("after an empty datagram's recv of 0 bytes", 0, 1);
    return 0;
}

/*
 * Datagrams over UDP or a UNIX socket: boundaries, a buffer that is too short,
 * a reader that does not read, the order, no reader at all, and the sender.
 *
 *   datagrams inet|PATH
 */
#include "lecture.h"

#include <poll.h>

enum {
    FLOOD = 2000, /* datagrams of a KiB: more than any default buffer takes */
};

static struct sockaddr_any place;

enum {
    LIMIT_MS = 5000, /* for what comes */
    SILENT_MS = 50, /* for what does not */
};

/* Whether there is something to receive within so long, or an error. */
static int
ready(int fd, int ms)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return poll(&waiting, 1, ms) > 0;
}

/* What waits at the reader. It has come when sendto returns, unless the kernel has other work. */
static ssize_t
receive(int fd, void *data, size_t len, int flags)
{
    (void)ready(fd, LIMIT_MS);
    return recv(fd, data, len, MSG_DONTWAIT | flags);
}

static ssize_t
send_to(int fd, const void *data, size_t len)
{
    return sendto(fd, data, len, MSG_DONTWAIT, &place.any, place.len);
}

/* Numbered datagrams until one is refused, and nobody reads; then all are read. */
static void
flood(int reader, int sender)
{
    int datagram[256] = {0}, last = -1, got = 0, ordered = 1;
    long sent = 0;
    while (sent < FLOOD && send_to(sender, datagram, sizeof(datagram)) == sizeof(datagram))
        datagram[0] = (int)++sent;
    if (sent < FLOOD)
        say("flood: the next", -1);
    while (ready(reader, SILENT_MS) && receive(reader, datagram, sizeof(datagram), 0) > 0) {
        ordered &= datagram[0] > last;
        last = datagram[0];
        got++;
    }
    say("flood: sent", sent);
    say("flood: received", got);
    say("flood: ordered", ordered);
    say("flood: the first ones are kept", got == last + 1);
}

int
main(int argc, char **argv)
{
    char large[256] = "", small[10];
    struct sockaddr_any from = {.len = sizeof(from.storage)};
    if (argc != 2)
        return 2;
    int reader = bind_at(&place, argv[1], SOCK_DGRAM);
    int sender = socket(place.any.sa_family, SOCK_DGRAM, 0);
    if (reader < 0 || sender < 0)
        return fail(argv[1]);

    /* Three sends, one of them empty, and one receive each, though all would fit into the first. */
    if (send_to(sender, large, 100) < 0 || send_to(sender, large, 0) < 0 ||
        send_to(sender, large, 20) < 0)
        return fail("sendto");
    say("first", receive(reader, large, sizeof(large), 0));
    say("second", receive(reader, large, sizeof(large), 0));
    say("third", receive(reader, large, sizeof(large), 0));

    /* 100 bytes for a buffer of 10: where is the rest? MSG_TRUNC tells the true length. */
    for (int i = 0; i < 2; i++)
        if (send_to(sender, large, 100) < 0)
            return fail("sendto");
    say("cut", receive(reader, small, sizeof(small), 0));
    say("cut, with MSG_TRUNC", receive(reader, small, sizeof(small), MSG_TRUNC));
    say("the rest", recv(reader, small, sizeof(small), MSG_DONTWAIT));

    flood(reader, sender);

    /* Whom would one answer? recvfrom tells the sender's address: its length, 0: it has none. */
    if (send_to(sender, "who", 3) != 3)
        return fail("sendto");
    (void)ready(reader, LIMIT_MS);
    if (recvfrom(reader, small, sizeof(small), MSG_DONTWAIT, &from.any, &from.len) != 3)
        return fail("recvfrom");
    say("sender's address", from.len > sizeof(sa_family_t));
    say("answer", sendto(reader, "you", 3, MSG_DONTWAIT, &from.any, from.len));

    /* Nobody there: the reader has gone, its path stays. */
    close(reader);
    say("to nobody", send_to(sender, "hello", 5));
    (void)ready(sender, 200); /* time for the ICMP message, which an unconnected socket ignores */
    say("to nobody again", send_to(sender, "hello", 5));
    if (connect_to(sender, &place) == 0) {
        say("connected, to nobody", send(sender, "hello", 5, MSG_DONTWAIT));
        (void)ready(sender, LIMIT_MS); /* for the ICMP message: POLLERR */
        say("connected, to nobody again", send(sender, "hello", 5, MSG_DONTWAIT));
    } else {
        say("connect to nobody", -1);
    }
    return 0;
}

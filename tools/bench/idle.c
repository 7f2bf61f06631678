/*
 * Idle clients: connects so many times, says of each protocol as little as makes a server take it
 * for a client (ZMTP: a greeting and READY; SP: eight bytes; raw: nothing), reads what the server
 * says to that, and waits. One process and no library, so that the clients cost next to nothing.
 *
 *     bench-idle zmtp -u tcp://127.0.0.1:5555 -c 5000
 */
#include "baseline.h"

#include "clock.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ZMTP 3.0, mechanism NULL, not a server; then READY with Socket-Type REQ (RFC 23). */
static const unsigned char zmtp_greeting[64] = {
    0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
static const unsigned char zmtp_ready[] =
    "\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x03REQ\x08Identity\x00\x00\x00";

/* SP over TCP: the protocol number of REQ is 0x30. */
static const unsigned char sp_greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

enum {
    ZMTP_ANSWER = 64 + 2, /* the server's greeting, and the head of its READY */
};

static struct baseline baseline_;

static bool
transmit(int fd, const void *data, size_t len)
{
    return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Until the server has said all that it says to a client that has nothing to ask. */
static bool
greet(int fd)
{
    unsigned char answer[512];
    if (baseline_is(&baseline_, "sp"))
        return transmit(fd, sp_greeting, sizeof(sp_greeting)) &&
            recv(fd, answer, sizeof(sp_greeting), MSG_WAITALL) == sizeof(sp_greeting);
    if (!baseline_is(&baseline_, "zmtp"))
        return true;
    return transmit(fd, zmtp_greeting, sizeof(zmtp_greeting)) &&
        transmit(fd, zmtp_ready, sizeof(zmtp_ready)) &&
        recv(fd, answer, ZMTP_ANSWER, MSG_WAITALL) == ZMTP_ANSWER &&
        recv(fd, answer, answer[ZMTP_ANSWER - 1], MSG_WAITALL) > 0;
}

int
main(int argc, char **argv)
{
    baseline_open(&baseline_, "bench-idle", argc, argv);
    for (int i = 0; i < baseline_.peers && !stop_requested(); i++)
        baseline_check(&baseline_, greet(baseline_connect(&baseline_)), "greeting");
    baseline_ready(&baseline_);
    while (!stop_requested())
        (void)clock_sleep(CLOCK_NEVER); /* until a signal comes */
    return baseline_close(&baseline_);
}

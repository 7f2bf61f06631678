/*
 * Many clients in one process, and no library, so that they cost next to nothing. They connect, and
 * say of each protocol as little as makes a server take them for clients (ZMTP: a greeting and
 * READY; SP: eight bytes; raw: nothing).
 *
 * Idle clients read what the server says to that, and wait:
 *
 *     bench-idle zmtp -u tcp://127.0.0.1:5555 -c 5000
 *
 * Subscribers also subscribe (SP has no message for it), read whatever comes, and throw it away.
 * Four times a second they print how many bytes have come by then.
 *
 *     bench-idle zmtp-sub -u tcp://127.0.0.1:5556 -c 2000 -T oslo.
 */
#include "baseline.h"

#include "bytes.h"
#include "clock.h"
#include "stop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* ZMTP 3.0, mechanism NULL, not a server; then READY with Socket-Type REQ (RFC 23). */
static const unsigned char zmtp_greeting[64] = {
    0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
static const unsigned char zmtp_ready[] =
    "\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x03REQ\x08Identity\x00\x00\x00";
static const unsigned char zmtp_sub_ready[] = "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB";

/* SP over TCP: the protocol numbers of REQ and SUB are 0x30 and 0x21. */
static const unsigned char sp_greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
static const unsigned char sp_sub_greeting[8] = {0, 'S', 'P', 0, 0, 0x21, 0, 0};

enum {
    ZMTP_ANSWER = 64 + 2, /* the server's greeting, and the head of its READY */
    PREFIX_MAX = 64,
    EVENTS = 256, /* of epoll, at once */
    TELL_MS = 250,
};

static struct baseline baseline_;

static bool
transmit(int fd, const void *data, size_t len)
{
    return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool
greet_sp(int fd, const unsigned char *greeting)
{
    unsigned char answer[sizeof(sp_greeting)];
    return transmit(fd, greeting, sizeof(answer)) &&
        recv(fd, answer, sizeof(answer), MSG_WAITALL) == sizeof(answer);
}

static bool
greet_zmtp(int fd, const unsigned char *ready, size_t len)
{
    unsigned char answer[512];
    return transmit(fd, zmtp_greeting, sizeof(zmtp_greeting)) && transmit(fd, ready, len) &&
        recv(fd, answer, ZMTP_ANSWER, MSG_WAITALL) == ZMTP_ANSWER &&
        recv(fd, answer, answer[ZMTP_ANSWER - 1], MSG_WAITALL) > 0;
}

/* Sends a subscription: its head, a 1, and the prefix. */
static bool
subscribe(int fd, size_t head_len)
{
    unsigned char text[sizeof(uint32_t) + 1 + PREFIX_MAX];
    size_t len = strlen(baseline_.prefix);
    if (len > PREFIX_MAX)
        return false;
    if (head_len == sizeof(uint32_t)) { /* raw: the length */
        (void)put_u32(text, (uint32_t)(1 + len));
    } else { /* ZMTP 3.0: flags, and the length */
        text[0] = 0;
        text[1] = (unsigned char)(1 + len);
    }
    text[head_len] = 1;
    memcpy(text + head_len + 1, baseline_.prefix, len);
    return transmit(fd, text, head_len + 1 + len);
}

/* Until the server has said all that it says to a client that has nothing to ask. */
static bool
greet(int fd)
{
    if (baseline_is(&baseline_, "sp"))
        return greet_sp(fd, sp_greeting);
    if (baseline_is(&baseline_, "sp-sub"))
        return greet_sp(fd, sp_sub_greeting);
    if (baseline_is(&baseline_, "zmtp"))
        return greet_zmtp(fd, zmtp_ready, sizeof(zmtp_ready));
    if (baseline_is(&baseline_, "zmtp-sub"))
        return greet_zmtp(fd, zmtp_sub_ready, sizeof(zmtp_sub_ready) - 1) && subscribe(fd, 2);
    return baseline_is(&baseline_, "raw-sub") ? subscribe(fd, sizeof(uint32_t)) : true;
}

static void
tell(int64_t now)
{
    (void)printf("{\"event\":\"bytes\",\"received\":%llu,\"us\":%lld}\n",
        (unsigned long long)baseline_.received, (long long)(now / CLOCK_US));
    (void)fflush(stdout);
}

/* Reads from all of them what comes, and counts it, until a signal comes. */
static void
read_all(int epoll)
{
    static unsigned char data[1 << 18];
    struct epoll_event events[EVENTS];
    int64_t told = clock_now();
    while (!stop_requested()) {
        int ready = epoll_wait(epoll, events, EVENTS, TELL_MS);
        if (!baseline_check(&baseline_, ready >= 0 || errno == EINTR, "epoll_wait"))
            return;
        for (int i = 0; i < ready; i++) {
            ssize_t got = recv(events[i].data.fd, data, sizeof(data), MSG_DONTWAIT);
            if (got > 0)
                baseline_received(&baseline_, (uint64_t)got);
            else if (got == 0 || errno != EAGAIN) /* the publisher has gone */
                (void)epoll_ctl(epoll, EPOLL_CTL_DEL, events[i].data.fd, NULL);
        }
        int64_t now = clock_now();
        if (now - told >= TELL_MS * (int64_t)CLOCK_MS)
            tell(told = now);
    }
}

int
main(int argc, char **argv)
{
    baseline_open(&baseline_, "bench-idle", argc, argv);
    bool subscribes = strstr(baseline_.role, "-sub") != NULL;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < baseline_.peers && !stop_requested(); i++) {
        int fd = baseline_connect(&baseline_);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (!baseline_check(&baseline_, greet(fd), "greeting") ||
            !baseline_check(&baseline_, epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll"))
            break;
    }
    baseline_ready(&baseline_);
    if (subscribes)
        read_all(epoll);
    while (!stop_requested())
        (void)clock_sleep(CLOCK_NEVER); /* until a signal comes */
    return baseline_close(&baseline_);
}

/*
 * Bare loops over the nn_ API: REQ/REP, PUB/SUB and PUSH/PULL, with the options that the panels
 * set, no message format and no contract. Built twice, as the panels are: over nanomsg, and over
 * NNG. They wait by nn_poll(), as the panels do to heed signals and time-outs: NNG's calls heed no
 * signal, and nanomsg's REP forgets a request when a receive times out.
 *
 *     baseline-nanomsg rep -u tcp://127.0.0.1:5555
 *     baseline-nanomsg req -u tcp://127.0.0.1:5555 -s 64 -n 100000
 */
#include "baseline.h"

#include "clock.h"
#include "stop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/tcp.h>

#ifdef NNG_COMPAT_NN_H
#define NAME "baseline-nng"
enum {
    QUEUE_MAX = 8192
};
#else
#define NAME "baseline-nanomsg"
enum {
    QUEUE_MAX = 1 << 20
};
#endif

enum {
    TIMEOUT_MS = 2000, /* of a request */
    RECONNECT_MS = 100,
    REPLY_MS = 50,
    CLOSE_MS = 100, /* closing loses what is still in the library */
    MESSAGE_MAX = 32 << 20,
    QUEUE_UNIT = 1024, /* bytes of kernel buffer in nanomsg, a message in NNG */
};

static struct baseline baseline_;
static int sock;
static int timeout_ms = -1;

static void
set(int level, int option, int value)
{
    baseline_check(
        &baseline_, nn_setsockopt(sock, level, option, &value, sizeof(value)) == 0, "option");
}

static void
print_option(const char *name, int option)
{
    int value = 0;
    size_t len = sizeof(value);
    if (nn_getsockopt(sock, NN_SOL_SOCKET, option, &value, &len) == 0)
        baseline_option(name, value);
}

/* What the panel sets, before it binds or connects. */
static void
tune(int protocol)
{
    int queue = baseline_.queue < QUEUE_MAX ? baseline_.queue : QUEUE_MAX;
    timeout_ms = protocol == NN_REQ ? TIMEOUT_MS : -1;
    set(NN_TCP, NN_TCP_NODELAY, 1);
    set(NN_SOL_SOCKET, NN_RECONNECT_IVL, RECONNECT_MS);
#ifdef NNG_COMPAT_NN_H
    set(NN_SOL_SOCKET, NN_RCVMAXSIZE, -1);
#else
    set(NN_SOL_SOCKET, NN_RCVMAXSIZE, protocol == NN_REP ? MESSAGE_MAX + 4 : -1);
#endif
    if (protocol == NN_REP)
        set(NN_SOL_SOCKET, NN_SNDTIMEO, REPLY_MS);
    if (queue > 0 && (protocol == NN_PUB || protocol == NN_PUSH))
        set(NN_SOL_SOCKET, NN_SNDBUF, queue * QUEUE_UNIT);
    if (queue > 0 && (protocol == NN_SUB || protocol == NN_PULL))
        set(NN_SOL_SOCKET, NN_RCVBUF, queue * QUEUE_UNIT);
    if (protocol == NN_SUB)
        baseline_check(
            &baseline_, nn_setsockopt(sock, NN_SUB, NN_SUB_SUBSCRIBE, "", 0) == 0, "option");
    print_option("NN_SNDBUF", NN_SNDBUF);
    print_option("NN_RCVBUF", NN_RCVBUF);
    print_option("NN_RECONNECT_IVL", NN_RECONNECT_IVL);
}

static bool
await(bool out)
{
    struct nn_pollfd pollfd = {.fd = sock};
    pollfd.events = out ? NN_POLLOUT : NN_POLLIN;
    return baseline_check(&baseline_, nn_poll(&pollfd, 1, timeout_ms) > 0, "poll");
}

/* Waits for a message, which is then to be freed; its length, or -1: a signal came. */
static int
receive(void **message)
{
    int len;
    do {
        if (!await(false))
            return -1;
        len = nn_recv(sock, message, NN_MSG, NN_DONTWAIT);
    } while (len < 0 && errno == EAGAIN);
    baseline_check(&baseline_, len >= 0, "receive");
    return len;
}

static bool
transmit(const void *data, size_t len)
{
    int sent;
    do {
        if (!await(true))
            return false;
        sent = nn_send(sock, data, len, NN_DONTWAIT);
    } while (sent < 0 && errno == EAGAIN);
    return baseline_check(&baseline_, sent >= 0, "send");
}

static void
ask(void)
{
    void *reply;
    while (baseline_more(&baseline_)) {
        int64_t start = baseline_turn(&baseline_);
        if (!transmit(baseline_.data, baseline_.size) || receive(&reply) < 0)
            break;
        baseline_round_trip(&baseline_, start);
        (void)nn_freemsg(reply);
    }
}

static void
answer(void)
{
    void *request;
    while (!stop_requested()) {
        int len = receive(&request);
        if (len < 0)
            break;
        bool good = nn_send(sock, request, (size_t)len, 0) >= 0 || errno == ETIMEDOUT;
        baseline_check(&baseline_, good, "send");
        (void)nn_freemsg(request);
    }
}

/* PUB never blocks, it drops; PUSH waits for room. */
static void
publish(void)
{
    bool drops = baseline_is(&baseline_, "pub");
    (void)clock_sleep(clock_deadline(baseline_.delay_ms)); /* or a signal */
    while (baseline_more(&baseline_)) {
        if (drops ? nn_send(sock, baseline_.data, baseline_.size, NN_DONTWAIT) < 0
                  : !transmit(baseline_.data, baseline_.size))
            break;
        baseline_sent(&baseline_, 1);
    }
    (void)clock_sleep(clock_deadline(CLOSE_MS));
}

static void
receive_all(void)
{
    void *event;
    while (baseline_more(&baseline_)) {
        if (receive(&event) < 0)
            break;
        (void)nn_freemsg(event);
        baseline_received(&baseline_, 1);
    }
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *role;
        int protocol;
        bool binds;
        void (*run)(void);
    } roles[] = {
        {"req", NN_REQ, false, ask},
        {"rep", NN_REP, true, answer},
        {"pub", NN_PUB, true, publish},
        {"sub", NN_SUB, false, receive_all},
        {"push", NN_PUSH, true, publish},
        {"pull", NN_PULL, false, receive_all},
    };
    baseline_open(&baseline_, NAME, argc, argv);
    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
        if (!baseline_is(&baseline_, roles[i].role))
            continue;
        sock = nn_socket(AF_SP, roles[i].protocol);
        baseline_check(&baseline_, sock >= 0, "socket");
        tune(roles[i].protocol);
        int result =
            roles[i].binds ? nn_bind(sock, baseline_.url) : nn_connect(sock, baseline_.url);
        baseline_check(&baseline_, result >= 0, baseline_.url);
        baseline_ready(&baseline_);
        roles[i].run();
#ifndef NNG_COMPAT_NN_H /* NNG's may never return (measured); the program's end closes, too */
        (void)nn_close(sock);
#endif
        if (roles[i].binds && strncmp(baseline_.url, "ipc://", 6) == 0)
            (void)unlink(baseline_.url + 6);
    }
    return baseline_close(&baseline_);
}

/*
 * Bare loops over ZeroMQ: REQ/REP, PUB/SUB and PUSH/PULL, with the options that the panel sets, no
 * message format and no contract. What a panel takes beyond it is the panel's own.
 *
 *     baseline-zmq rep -u tcp://127.0.0.1:5555
 *     baseline-zmq req -u tcp://127.0.0.1:5555 -s 64 -n 100000
 */
#include "baseline.h"

#include "clock.h"
#include "stop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    TIMEOUT_MS = 2000,
    LINGER_MS = 500,
    RECONNECT_MS = 100,
    HANDSHAKE_MS = 1000,
};

static struct baseline baseline_;
static void *sock;

static bool
set(int option, int value)
{
    return baseline_check(
        &baseline_, zmq_setsockopt(sock, option, &value, sizeof(value)) == 0, "option");
}

/* Waits for a message; false: a signal came. The time-out is the socket's. */
static bool
receive(zmq_msg_t *message)
{
    return baseline_check(&baseline_, zmq_msg_recv(message, sock, 0) >= 0, "receive");
}

static bool
transmit(const void *data, size_t len)
{
    return baseline_check(&baseline_, zmq_send(sock, data, len, 0) >= 0, "send");
}

static void
print_option(const char *name, int option)
{
    int value = 0;
    size_t len = sizeof(value);
    if (zmq_getsockopt(sock, option, &value, &len) == 0)
        baseline_option(name, value);
}

/* What the panel sets, before it binds or connects. */
static void
tune(int type, bool binds)
{
    int64_t max = 32 << 20;
    set(ZMQ_RCVTIMEO, type == ZMQ_REQ ? TIMEOUT_MS : -1);
    set(ZMQ_LINGER, binds || type == ZMQ_PUSH ? LINGER_MS : 0);
    if (binds) {
        set(ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
        baseline_check(&baseline_, zmq_setsockopt(sock, ZMQ_ZAP_DOMAIN, "bench", 5) == 0, "option");
        baseline_check(
            &baseline_, zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &max, sizeof(max)) == 0, "option");
    } else {
        set(ZMQ_RECONNECT_IVL, RECONNECT_MS);
    }
    if (type == ZMQ_REQ) {
        set(ZMQ_REQ_RELAXED, 1);
        set(ZMQ_REQ_CORRELATE, 1);
        set(ZMQ_SNDHWM, 0);
    } else if (type != ZMQ_REP && baseline_.queue > 0) {
        set(ZMQ_SNDHWM, type == ZMQ_SUB ? 0 : baseline_.queue);
        set(ZMQ_RCVHWM, baseline_.queue);
    }
    if (type == ZMQ_SUB)
        baseline_check(&baseline_, zmq_setsockopt(sock, ZMQ_SUBSCRIBE, "", 0) == 0, "subscribe");
    print_option("ZMQ_SNDHWM", ZMQ_SNDHWM);
    print_option("ZMQ_RCVHWM", ZMQ_RCVHWM);
    print_option("ZMQ_LINGER", ZMQ_LINGER);
}

static void
ask(void)
{
    zmq_msg_t reply;
    (void)zmq_msg_init(&reply);
    while (baseline_more(&baseline_)) {
        int64_t start = baseline_turn(&baseline_);
        if (!transmit(baseline_.data, baseline_.size) || !receive(&reply))
            break;
        baseline_round_trip(&baseline_, start);
    }
    (void)zmq_msg_close(&reply);
}

static void
answer(void)
{
    zmq_msg_t request;
    (void)zmq_msg_init(&request);
    while (!stop_requested() && receive(&request))
        if (!transmit(zmq_msg_data(&request), zmq_msg_size(&request)))
            break;
    (void)zmq_msg_close(&request);
}

/* A publisher sends to whoever is there: the subscribers are given time to come. */
static void
publish(void)
{
    (void)clock_sleep(clock_deadline(baseline_.delay_ms)); /* or a signal */
    while (baseline_more(&baseline_) && transmit(baseline_.data, baseline_.size))
        baseline_sent(&baseline_, 1);
}

static void
receive_all(void)
{
    zmq_msg_t event;
    (void)zmq_msg_init(&event);
    while (baseline_more(&baseline_) && receive(&event))
        baseline_received(&baseline_, 1);
    (void)zmq_msg_close(&event);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *role;
        int type;
        bool binds;
        void (*run)(void);
    } roles[] = {
        {"req", ZMQ_REQ, false, ask},
        {"rep", ZMQ_REP, true, answer},
        {"pub", ZMQ_PUB, true, publish},
        {"sub", ZMQ_SUB, false, receive_all},
        {"push", ZMQ_PUSH, true, publish},
        {"pull", ZMQ_PULL, false, receive_all},
    };
    static char version[32];
    int major, minor, patch;
    baseline_open(&baseline_, "baseline-zmq", argc, argv);
    zmq_version(&major, &minor, &patch);
    (void)snprintf(version, sizeof(version), "ZeroMQ %d.%d.%d", major, minor, patch);
    baseline_.version = version;
    void *ctx = zmq_ctx_new();
    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
        if (!baseline_is(&baseline_, roles[i].role))
            continue;
        sock = zmq_socket(ctx, roles[i].type);
        baseline_check(&baseline_, sock != NULL, "socket");
        tune(roles[i].type, roles[i].binds);
        int result =
            roles[i].binds ? zmq_bind(sock, baseline_.url) : zmq_connect(sock, baseline_.url);
        baseline_check(&baseline_, result == 0, baseline_.url);
        baseline_ready(&baseline_);
        roles[i].run();
        (void)zmq_close(sock);
        while (zmq_ctx_term(ctx) < 0 && errno == EINTR)
            ;
        if (roles[i].binds && strncmp(baseline_.url, "ipc://", 6) == 0)
            (void)unlink(baseline_.url + 6);
    }
    return baseline_close(&baseline_);
}

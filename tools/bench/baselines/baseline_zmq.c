/*
 * Bare loops over ZeroMQ: REQ/REP, PUB/SUB and PUSH/PULL, with the options that the panel sets, no
 * message format and no contract. What a panel takes beyond it is the panel's own.
 *
 *     floor-zmq rep -u tcp://127.0.0.1:5555
 *     floor-zmq req -u tcp://127.0.0.1:5555 -s 64 -n 100000
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

static struct floor floor_;
static void *sock;

static bool
set(int option, int value)
{
    return floor_check(&floor_, zmq_setsockopt(sock, option, &value, sizeof(value)) == 0, "option");
}

/* Waits for a message; false: a signal came. The time-out is the socket's. */
static bool
receive(zmq_msg_t *message)
{
    return floor_check(&floor_, zmq_msg_recv(message, sock, 0) >= 0, "receive");
}

static bool
transmit(const void *data, size_t len)
{
    return floor_check(&floor_, zmq_send(sock, data, len, 0) >= 0, "send");
}

static void
tell(const char *name, int option)
{
    int value = 0;
    size_t len = sizeof(value);
    if (zmq_getsockopt(sock, option, &value, &len) == 0)
        floor_option(name, value);
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
        floor_check(&floor_, zmq_setsockopt(sock, ZMQ_ZAP_DOMAIN, "bench", 5) == 0, "option");
        floor_check(
            &floor_, zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &max, sizeof(max)) == 0, "option");
    } else {
        set(ZMQ_RECONNECT_IVL, RECONNECT_MS);
    }
    if (type == ZMQ_REQ) {
        set(ZMQ_REQ_RELAXED, 1);
        set(ZMQ_REQ_CORRELATE, 1);
        set(ZMQ_SNDHWM, 0);
    } else if (type != ZMQ_REP && floor_.queue > 0) {
        set(ZMQ_SNDHWM, type == ZMQ_SUB ? 0 : floor_.queue);
        set(ZMQ_RCVHWM, floor_.queue);
    }
    if (type == ZMQ_SUB)
        floor_check(&floor_, zmq_setsockopt(sock, ZMQ_SUBSCRIBE, "", 0) == 0, "subscribe");
    tell("ZMQ_SNDHWM", ZMQ_SNDHWM);
    tell("ZMQ_RCVHWM", ZMQ_RCVHWM);
    tell("ZMQ_LINGER", ZMQ_LINGER);
}

static void
ask(void)
{
    zmq_msg_t reply;
    (void)zmq_msg_init(&reply);
    while (floor_more(&floor_)) {
        int64_t start = floor_turn(&floor_);
        if (!transmit(floor_.data, floor_.size) || !receive(&reply))
            break;
        floor_round_trip(&floor_, start);
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
    (void)clock_sleep(clock_deadline(floor_.delay_ms)); /* or a signal */
    while (floor_more(&floor_) && transmit(floor_.data, floor_.size))
        floor_sent(&floor_, 1);
}

static void
receive_all(void)
{
    zmq_msg_t event;
    (void)zmq_msg_init(&event);
    while (floor_more(&floor_) && receive(&event))
        floor_received(&floor_, 1);
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
    floor_open(&floor_, "floor-zmq", argc, argv);
    zmq_version(&major, &minor, &patch);
    (void)snprintf(version, sizeof(version), "ZeroMQ %d.%d.%d", major, minor, patch);
    floor_.version = version;
    void *ctx = zmq_ctx_new();
    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
        if (!floor_is(&floor_, roles[i].role))
            continue;
        sock = zmq_socket(ctx, roles[i].type);
        floor_check(&floor_, sock != NULL, "socket");
        tune(roles[i].type, roles[i].binds);
        int result = roles[i].binds ? zmq_bind(sock, floor_.url) : zmq_connect(sock, floor_.url);
        floor_check(&floor_, result == 0, floor_.url);
        floor_ready(&floor_);
        roles[i].run();
        (void)zmq_close(sock);
        while (zmq_ctx_term(ctx) < 0 && errno == EINTR)
            ;
        if (roles[i].binds && strncmp(floor_.url, "ipc://", 6) == 0)
            (void)unlink(floor_.url + 6);
    }
    return floor_close(&floor_);
}

/*
 * Bare loops over NNG's own API, beside those over its nanomsg-compatible one: what that
 * compatibility costs. A message's memory is passed on, not copied. Its calls heed no signal: a
 * time-out of 50 ms, tried again, is how a program that uses it can be stopped.
 *
 *     floor-nng-native rep -u tcp://127.0.0.1:5555
 *     floor-nng-native req -u tcp://127.0.0.1:5555 -s 64 -n 100000
 */
#include "baseline.h"

#include "clock.h"
#include "stop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

enum {
    STOP_MS = 50, /* a call lasts so long, at most, when there is nothing to do */
    RECONNECT_MS = 100,
    QUEUE_MAX = 8192,
    CLOSE_MS = 100,
};

static struct floor floor_;
static nng_socket sock;

static bool
good(int error, const char *what)
{
    if (error != 0 && !stop_requested()) {
        (void)fprintf(stderr, "%s: %s: %s\n", floor_.name, what, nng_strerror(error));
        exit(EXIT_FAILURE);
    }
    return error == 0;
}

static bool
receive(nng_msg **message)
{
    int error;
    do {
        error = nng_recvmsg(sock, message, 0);
    } while (error == NNG_ETIMEDOUT && !stop_requested());
    return good(error, "receive");
}

/* Takes the message over if it succeeds. */
static bool
transmit(nng_msg *message)
{
    int error;
    do {
        error = nng_sendmsg(sock, message, 0);
    } while (error == NNG_ETIMEDOUT && !stop_requested());
    if (error != 0)
        nng_msg_free(message);
    return good(error, "send");
}

static bool
transmit_copy(void)
{
    nng_msg *message;
    if (!good(nng_msg_alloc(&message, floor_.size), "memory"))
        return false;
    memcpy(nng_msg_body(message), floor_.data, floor_.size);
    return transmit(message);
}

static void
ask(void)
{
    nng_msg *reply;
    while (floor_more(&floor_)) {
        int64_t start = floor_turn(&floor_);
        if (!transmit_copy() || !receive(&reply))
            break;
        floor_round_trip(&floor_, start);
        nng_msg_free(reply);
    }
}

static void
answer(void)
{
    nng_msg *request;
    while (!stop_requested() && receive(&request) && transmit(request))
        ;
}

static void
publish(void)
{
    (void)clock_sleep(clock_deadline(floor_.delay_ms)); /* or a signal */
    while (floor_more(&floor_) && transmit_copy())
        floor_sent(&floor_, 1);
    (void)clock_sleep(clock_deadline(CLOSE_MS));
}

static void
receive_all(void)
{
    nng_msg *event;
    while (floor_more(&floor_) && receive(&event)) {
        nng_msg_free(event);
        floor_received(&floor_, 1);
    }
}

static void
tune(void)
{
    int queue = floor_.queue < QUEUE_MAX ? floor_.queue : QUEUE_MAX;
    good(nng_socket_set_ms(sock, NNG_OPT_RECVTIMEO, STOP_MS), "option");
    good(nng_socket_set_ms(sock, NNG_OPT_SENDTIMEO, STOP_MS), "option");
    good(nng_socket_set_ms(sock, NNG_OPT_RECONNMINT, RECONNECT_MS), "option");
    good(nng_socket_set_size(sock, NNG_OPT_RECVMAXSZ, 0), "option");
    if (queue > 0 && (floor_is(&floor_, "pub") || floor_is(&floor_, "push")))
        good(nng_socket_set_int(sock, NNG_OPT_SENDBUF, queue), "option");
    if (queue > 0 && (floor_is(&floor_, "sub") || floor_is(&floor_, "pull")))
        good(nng_socket_set_int(sock, NNG_OPT_RECVBUF, queue), "option");
    if (floor_is(&floor_, "sub"))
        good(nng_socket_set(sock, NNG_OPT_SUB_SUBSCRIBE, "", 0), "subscribe");
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *role;
        int (*open)(nng_socket *);
        bool binds;
        void (*run)(void);
    } roles[] = {
        {"req", nng_req0_open, false, ask},
        {"rep", nng_rep0_open, true, answer},
        {"pub", nng_pub0_open, true, publish},
        {"sub", nng_sub0_open, false, receive_all},
        {"push", nng_push0_open, true, publish},
        {"pull", nng_pull0_open, false, receive_all},
    };
    static char version[32];
    floor_open(&floor_, "floor-nng-native", argc, argv);
    (void)snprintf(version, sizeof(version), "NNG %s", nng_version());
    floor_.version = version;
    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
        if (!floor_is(&floor_, roles[i].role))
            continue;
        good(roles[i].open(&sock), "socket");
        tune();
        int error = roles[i].binds ? nng_listen(sock, floor_.url, NULL, 0)
                                   : nng_dial(sock, floor_.url, NULL, NNG_FLAG_NONBLOCK);
        good(error, floor_.url);
        floor_ready(&floor_);
        roles[i].run();
        /* No nng_close(): it may never return (measured), and the program's end closes, too. */
        if (roles[i].binds && strncmp(floor_.url, "ipc://", 6) == 0)
            (void)unlink(floor_.url + 6);
    }
    return floor_close(&floor_);
}

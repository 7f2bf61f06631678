/*
 * Bare loops over NNG's own API, beside those over its nanomsg-compatible one: what that
 * compatibility costs. A message's memory is passed on, not copied. Its calls heed no signal: a
 * time-out of 50 ms, tried again, is how a program that uses it can be stopped.
 *
 *     baseline-nng-native rep -u tcp://127.0.0.1:5555
 *     baseline-nng-native req -u tcp://127.0.0.1:5555 -s 64 -n 100000
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

static struct baseline baseline_;
static nng_socket sock;

static bool
good(int error, const char *what)
{
    if (error != 0 && !stop_requested()) {
        (void)fprintf(stderr, "%s: %s: %s\n", baseline_.name, what, nng_strerror(error));
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
    if (!good(nng_msg_alloc(&message, baseline_.size), "memory"))
        return false;
    memcpy(nng_msg_body(message), baseline_.data, baseline_.size);
    return transmit(message);
}

static void
ask(void)
{
    nng_msg *reply;
    while (baseline_more(&baseline_)) {
        int64_t start = baseline_turn(&baseline_);
        if (!transmit_copy() || !receive(&reply))
            break;
        baseline_round_trip(&baseline_, start);
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
    (void)clock_sleep(clock_deadline(baseline_.delay_ms)); /* or a signal */
    while (baseline_more(&baseline_) && transmit_copy())
        baseline_sent(&baseline_, 1);
    (void)clock_sleep(clock_deadline(CLOSE_MS));
}

static void
receive_all(void)
{
    nng_msg *event;
    while (baseline_more(&baseline_) && receive(&event)) {
        nng_msg_free(event);
        baseline_received(&baseline_, 1);
    }
}

static void
tune(void)
{
    int queue = baseline_.queue < QUEUE_MAX ? baseline_.queue : QUEUE_MAX;
    good(nng_socket_set_ms(sock, NNG_OPT_RECVTIMEO, STOP_MS), "option");
    good(nng_socket_set_ms(sock, NNG_OPT_SENDTIMEO, STOP_MS), "option");
    good(nng_socket_set_ms(sock, NNG_OPT_RECONNMINT, RECONNECT_MS), "option");
    good(nng_socket_set_size(sock, NNG_OPT_RECVMAXSZ, 0), "option");
    if (queue > 0 && (baseline_is(&baseline_, "pub") || baseline_is(&baseline_, "push")))
        good(nng_socket_set_int(sock, NNG_OPT_SENDBUF, queue), "option");
    if (queue > 0 && (baseline_is(&baseline_, "sub") || baseline_is(&baseline_, "pull")))
        good(nng_socket_set_int(sock, NNG_OPT_RECVBUF, queue), "option");
    if (baseline_is(&baseline_, "sub"))
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
    baseline_open(&baseline_, "baseline-nng-native", argc, argv);
    (void)snprintf(version, sizeof(version), "NNG %s", nng_version());
    baseline_.version = version;
    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
        if (!baseline_is(&baseline_, roles[i].role))
            continue;
        good(roles[i].open(&sock), "socket");
        tune();
        int error = roles[i].binds ? nng_listen(sock, baseline_.url, NULL, 0)
                                   : nng_dial(sock, baseline_.url, NULL, NNG_FLAG_NONBLOCK);
        good(error, baseline_.url);
        baseline_ready(&baseline_);
        roles[i].run();
        /* No nng_close(): it may never return (measured), and the program's end closes, too. */
        if (roles[i].binds && strncmp(baseline_.url, "ipc://", 6) == 0)
            (void)unlink(baseline_.url + 6);
    }
    return baseline_close(&baseline_);
}

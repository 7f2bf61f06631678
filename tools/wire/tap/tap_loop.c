/*
 * The tap's loop: see tap_loop.h. A round has three parts: wait for events, which
 * set flags; give a turn to each connection that has something to do; free what
 * was closed.
 */
#include "tap_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "clock.h"
#include "tap_conn.h"
#include "tap_listener.h"

enum {
    EVENTS = 256, /* in one round */
    OUTPUT_RETRY_NS = 10 * CLOCK_MS, /* events wait for a reader: when to try again */
};

/* Gives a turn to each connection whose time has come; returns the time of the next one. */
static int64_t
run_timed(struct tap *tap, int64_t now_ns)
{
    struct tap_conn **at = &tap->timed;
    int64_t next_ns = CLOCK_NEVER;
    while (*at) {
        struct tap_conn *conn = *at;
        if (conn->state == TAP_CONN_CLOSED || conn->wake_ns == CLOCK_NEVER) {
            conn->in_timed = false;
            *at = conn->next_timed;
            continue;
        }
        if (conn->wake_ns <= now_ns)
            tap_conn_turn(tap, conn);
        else
            next_ns = tap_earlier(next_ns, conn->wake_ns);
        at = &conn->next_timed;
    }
    return next_ns;
}

static void
run_turns(struct tap *tap)
{
    struct tap_conn *turns = tap->turns;
    tap->turns = NULL; /* who is not done queues for the next round */
    while (turns) {
        struct tap_conn *conn = turns;
        turns = conn->next_turn;
        conn->in_turns = false;
        tap_conn_run(tap, conn);
    }
}

/* Does what is due and returns the time until which there is nothing more. */
static int64_t
run_due(struct tap *tap)
{
    int64_t now_ns = clock_now();
    if (now_ns >= tap->tape.due_ns)
        tap_tape_flush(&tap->tape);
    if (now_ns >= tap->listener.retry_ns)
        tap_listener_retry(tap);
    int64_t next_ns = run_timed(tap, now_ns);
    next_ns = tap_earlier(next_ns, tap->tape.due_ns);
    next_ns = tap_earlier(next_ns, tap->listener.retry_ns);
    if (tap_output_flush(&tap->output))
        next_ns = tap_earlier(next_ns, now_ns + OUTPUT_RETRY_NS);
    return next_ns;
}

int
tap_loop_run(struct tap *tap)
{
    struct epoll_event events[EVENTS];
    while (!tap->quit) {
        int64_t next_ns = run_due(tap);
        int64_t now_ns = clock_now();
        int64_t wait_ns = next_ns > now_ns && !tap->turns ? next_ns - now_ns : 0;
        struct timespec wait = {wait_ns / CLOCK_S, wait_ns % CLOCK_S};
        bool for_ever = next_ns == CLOCK_NEVER && !tap->turns;
        int n = epoll_pwait2(tap->epoll, events, EVENTS, for_ever ? NULL : &wait, NULL);
        if (n < 0 && errno != EINTR)
            return -1;
        for (int i = 0; i < n; i++) {
            struct tap_watch *watch = events[i].data.ptr;
            watch->ready(tap, watch, events[i].events);
        }
        run_turns(tap);
        tap_conn_bury(tap);
    }
    return 0;
}

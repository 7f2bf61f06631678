/*
 * A flow reads into one buffer that all flows share (it stays in the processor's
 * cache) and, if nothing forbids it, writes straight from there. Only what the
 * receiver does not take now, or may not get yet, is queued: at most 256 KiB, so
 * that a slow reader slows its sender, but 64 MiB under a delay, because a long
 * link holds many bytes without being slow.
 *
 * splice(2) was measured instead of read and write: the same speed over TCP and
 * 1.3 times as much over UNIX sockets, for a second path that records and hurts
 * nothing. One path, always the one that was tested, is worth more.
 */
#include "tap_flow.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap_clock.h"

enum {
    BUFFER = 256 * 1024, /* bytes of one read; 64 KiB are a third slower */
    HELD_MAX = 256 * 1024, /* bytes of one flow */
    HELD_LATE_MAX = 64 * 1024 * 1024, /* of one with a delay: 1.3 GB/s at 50 ms */
    HELD_ALL_MAX = 512 * 1024 * 1024, /* above which no flow may hold more than HELD_MAX */
    TURN_BYTES = 1024 * 1024, /* then the next connection's turn */
    TURN_CALLS = 64,
};

static unsigned char buffer[BUFFER];
static uint64_t held; /* in all queues */

struct turn {
    size_t bytes;
    int calls;
};

static bool
turn_over(const struct turn *turn)
{
    return turn->bytes >= TURN_BYTES || turn->calls >= TURN_CALLS;
}

void
flow_broke(struct flow *flow, int error)
{
    if (flow->from->error != 0)
        return;
    flow->from->error = error;
    flow->from->readable = true; /* what it sent before is still there to be read */
    if (flow->over != FLOW_SHUT && flow->over != FLOW_LEFT)
        return;
    flow->over = FLOW_BROKE; /* that its stream ended was known; now more is */
    flow->done = false;
    tape_mark(flow->tape, RECORD_RESET, flow->conn, flow->way, NULL);
}

void
flow_left(struct flow *flow)
{
    if (flow->from->left)
        return;
    flow->from->left = true;
    flow->from->readable = true;
    if (flow->over == FLOW_SHUT) {
        flow->over = FLOW_LEFT;
        flow->done = false;
    }
}

/* A time drawn evenly from 0 to max: splitmix64, the same sequence in every run. */
static uint64_t
random_ns(uint64_t max)
{
    static uint64_t state = 20240229;
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % (max + 1);
}

static uint64_t
due_ns(const struct flow *flow, uint64_t now_ns)
{
    const struct fault *fault = &flow->fault;

    return now_ns + fault->delay_ns + (fault->jitter_ns > 0 ? random_ns(fault->jitter_ns) : 0);
}

/* Writes once. Returns the bytes that went, 0 when none can go now (or ever: to->error). */
static size_t
flow_send(struct flow *flow, const void *data, size_t len, struct turn *turn)
{
    ssize_t n;

    do
        n = send(flow->to->fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    turn->calls++;
    if (n < 0) {
        flow->to->writable = false;
        if (errno != EAGAIN)
            flow_broke(flow->back, errno);
        return 0;
    }
    turn->bytes += (size_t)n;
    flow->passed += (uint64_t)n;
    flow->writes++;
    tape_pass(flow->tape, flow->conn, flow->way, (size_t)n);
    return (size_t)n;
}

/* How many of len bytes the faults let go in one write now. */
static size_t
flow_allow(struct flow *flow, size_t len, uint64_t now_ns)
{
    const struct fault *fault = &flow->fault;
    const uint64_t limits[] = {fault->stall, fault->cut, fault->reset};

    for (size_t i = 0; i < 3; i++)
        if (limits[i] - flow->passed < len)
            len = (size_t)(limits[i] - flow->passed);
    if (fault->slice > 0 && fault->slice < len)
        len = (size_t)fault->slice;
    if (fault->rate > 0)
        len = pace_allow(&flow->pace, fault->rate, len, fault->slice == 0, now_ns, &flow->wake_ns);
    return len;
}

/* The queue has been passed: passes on the end of the stream, in its own time. */
static enum flow_result
flow_end(struct flow *flow, uint64_t now_ns)
{
    if (flow->over == FLOW_RUNS || flow->done)
        return FLOW_WAITS;
    if (now_ns < flow->over_due_ns) {
        flow->wake_ns = flow->over_due_ns;
        return FLOW_WAITS;
    }
    flow->done = true;
    if (flow->over != FLOW_SHUT)
        return FLOW_ENDED;
    if (shutdown(flow->to->fd, SHUT_WR) < 0 && errno != ENOTCONN)
        return FLOW_ENDED;
    return FLOW_WAITS;
}

/* Passes on what is queued and due, or finds a fault that is. */
static enum flow_result
flow_drain(struct flow *flow, uint64_t now_ns, struct turn *turn)
{
    const struct fault *fault = &flow->fault;

    for (;;) {
        const unsigned char *data;
        size_t len;

        if (flow->passed >= fault->reset)
            return FLOW_RESET;
        if (flow->passed >= fault->cut)
            return FLOW_CUT;
        if (flow->passed >= fault->stall || flow->to->error != 0)
            return FLOW_WAITS;
        len = queue_peek(&flow->queue, &data, now_ns);
        if (len == 0)
            break;
        if (!flow->to->writable)
            return FLOW_WAITS;
        if (turn_over(turn))
            return FLOW_AGAIN;
        len = flow_allow(flow, len, now_ns);
        if (len > 0)
            len = flow_send(flow, data, len, turn);
        if (len == 0)
            return FLOW_WAITS;
        if (fault->rate > 0)
            pace_spend(&flow->pace, fault->rate, len);
        queue_pop(&flow->queue, len);
        held -= len;
    }
    flow->wake_ns = queue_due(&flow->queue);
    return flow->queue.used > 0 ? FLOW_WAITS : flow_end(flow, now_ns);
}

static size_t
flow_room(const struct flow *flow)
{
    bool late = flow->fault.delay_ns > 0 || flow->fault.jitter_ns > 0;
    size_t room = late && held < HELD_ALL_MAX ? HELD_LATE_MAX : HELD_MAX;

    if (flow->queue.used >= room || flow->queue.marks_used >= QUEUE_MARKS_MAX)
        return 0;
    room -= flow->queue.used;
    return room < BUFFER ? room : BUFFER;
}

/* The source said its last: notes how, and when that may be passed on. */
static void
flow_over(struct flow *flow, int error, uint64_t now_ns)
{
    struct end *from = flow->from;

    from->readable = false;
    if (error != 0 && from->error == 0)
        from->error = error;
    flow->over = from->error != 0 ? FLOW_BROKE : from->left ? FLOW_LEFT : FLOW_SHUT;
    flow->over_due_ns = due_ns(flow, now_ns);
    if (flow->over_due_ns < flow->queue.last_due_ns)
        flow->over_due_ns = flow->queue.last_due_ns;
    tape_mark(flow->tape, flow->over == FLOW_BROKE ? RECORD_RESET : RECORD_SHUT, flow->conn,
        flow->way, NULL);
}

/* Reads once and passes on what may go at once. Returns false when there is nothing to do. */
static bool
flow_fill(struct flow *flow, struct turn *turn, enum flow_result *failed)
{
    size_t room = flow_room(flow);
    size_t sent = 0;
    uint64_t now_ns;
    ssize_t n;

    if (!flow->from->readable || flow->over != FLOW_RUNS || flow->to->error != 0 || room == 0)
        return false;
    do
        n = recv(flow->from->fd, buffer, room, 0);
    while (n < 0 && errno == EINTR);
    turn->calls++;
    if (n < 0 && errno == EAGAIN) {
        flow->from->readable = false;
        return false;
    }
    now_ns = clock_ns();
    if (n <= 0) {
        flow_over(flow, n < 0 ? errno : 0, now_ns);
        return true;
    }
    /* With edge-triggered epoll a short read says as much as EAGAIN (epoll(7)), a call less. */
    if ((size_t)n < room && !flow->from->careful)
        flow->from->readable = false;
    flow->received += (uint64_t)n;
    tape_data(flow->tape, flow->conn, flow->way, buffer, (size_t)n);
    if (fault_none(&flow->fault) && flow->queue.used == 0)
        while (sent < (size_t)n && flow->to->writable)
            sent += flow_send(flow, buffer + sent, (size_t)n - sent, turn);
    if (sent == (size_t)n)
        return true;
    if (queue_push(&flow->queue, buffer + sent, (size_t)n - sent, due_ns(flow, now_ns)) < 0) {
        *failed = FLOW_FAILED;
        return false;
    }
    held += (size_t)n - sent;
    return true;
}

enum flow_result
flow_run(struct flow *flow)
{
    struct turn turn = {0};

    for (;;) {
        enum flow_result result;

        flow->wake_ns = 0;
        result = flow_drain(flow, clock_ns(), &turn);
        if (result != FLOW_WAITS)
            return result;
        if (turn_over(&turn))
            return FLOW_AGAIN;
        if (!flow_fill(flow, &turn, &result))
            return result;
    }
}

void
flow_order(struct flow *flow, const struct fault_order *order)
{
    fault_apply(&flow->fault, order, flow->passed);
    if (order->verb == FAULT_RATE)
        flow->pace.paid_ns = 0;
    if (order->verb == FAULT_CLEAR) {
        queue_hurry(&flow->queue);
        flow->over_due_ns = 0;
    }
}

uint64_t
flow_held(void)
{
    return held;
}

void
flow_free(struct flow *flow)
{
    held -= flow->queue.used;
    queue_free(&flow->queue);
}

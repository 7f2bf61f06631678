/*
 * A flow reads into one buffer that all flows share (it stays in the processor's
 * cache) and, if nothing forbids it, writes straight from there. Only what the
 * receiver does not take now, or may not get yet, is queued: at most 256 KiB, so
 * that a slow reader slows its sender, but 64 MiB under a delay, because a long
 * link holds many bytes without being slow.
 *
 * splice(2) was tried instead of read and write. It was no faster over TCP, and
 * faster over UNIX sockets, but it would be a second path that can neither record
 * nor hurt. One path, always the one that was tested, is worth more.
 */
#include "tap_flow.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

enum {
    BUFFER = 256 * 1024, /* bytes of one read */
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
tap_flow_broke(struct tap_flow *flow, int error)
{
    if (flow->from->error != 0)
        return;
    flow->from->error = error;
    flow->from->readable = true; /* what it sent before is still there to be read */
    if (flow->over != TAP_FLOW_SHUT && flow->over != TAP_FLOW_LEFT)
        return;
    flow->over = TAP_FLOW_BROKE; /* that its stream ended was known; now more is */
    flow->done = false;
    tap_tape_mark(flow->tape, RECORD_RESET, flow->conn, flow->way, NULL);
}

void
tap_flow_left(struct tap_flow *flow)
{
    if (flow->from->left)
        return;
    flow->from->left = true;
    flow->from->readable = true;
    if (flow->over == TAP_FLOW_SHUT) {
        flow->over = TAP_FLOW_LEFT;
        flow->done = false;
    }
}

/* Writes once. Returns the bytes that went, 0 when none can go now (or ever: to->error). */
static size_t
tap_flow_send(struct tap_flow *flow, const void *data, size_t len, struct turn *turn)
{
    ssize_t n;
    do
        n = send(flow->to->fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    turn->calls++;
    if (n < 0) {
        flow->to->writable = false;
        if (errno != EAGAIN)
            tap_flow_broke(flow->back, errno);
        return 0;
    }
    turn->bytes += (size_t)n;
    flow->passed += (uint64_t)n;
    flow->writes++;
    tap_tape_pass(flow->tape, flow->conn, flow->way, (size_t)n);
    return (size_t)n;
}

/* How many of len bytes the faults let go in one write now. */
static size_t
tap_flow_allow(struct tap_flow *flow, size_t len, int64_t now_ns)
{
    const struct tap_fault *fault = &flow->fault;
    const uint64_t limits[] = {fault->stall, fault->cut, fault->reset};
    for (size_t i = 0; i < 3; i++)
        if (limits[i] - flow->passed < len)
            len = (size_t)(limits[i] - flow->passed);
    if (fault->slice > 0 && fault->slice < len)
        len = (size_t)fault->slice;
    if (fault->rate > 0)
        len = tap_pace_allow(
            &flow->pace, fault->rate, len, fault->slice == 0, now_ns, &flow->wake_ns);
    return len;
}

/* The queue has been passed: passes on the end of the stream, in its own time. */
static enum tap_flow_result
tap_flow_end(struct tap_flow *flow, int64_t now_ns)
{
    if (flow->over == TAP_FLOW_RUNS || flow->done)
        return TAP_FLOW_WAITS;
    if (now_ns < flow->over_due_ns) {
        flow->wake_ns = flow->over_due_ns;
        return TAP_FLOW_WAITS;
    }
    flow->done = true;
    if (flow->over != TAP_FLOW_SHUT)
        return TAP_FLOW_ENDED;
    if (shutdown(flow->to->fd, SHUT_WR) < 0 && errno != ENOTCONN)
        return TAP_FLOW_ENDED;
    return TAP_FLOW_WAITS;
}

/* Passes on what is queued and due, or finds a fault that is. */
static enum tap_flow_result
tap_flow_drain(struct tap_flow *flow, int64_t now_ns, struct turn *turn)
{
    const struct tap_fault *fault = &flow->fault;
    for (;;) {
        const unsigned char *data;
        if (flow->passed >= fault->reset)
            return TAP_FLOW_RESET;
        if (flow->passed >= fault->cut)
            return TAP_FLOW_CUT;
        if (flow->passed >= fault->stall || flow->to->error != 0)
            return TAP_FLOW_WAITS;
        size_t len = tap_queue_peek(&flow->queue, &data, now_ns);
        if (len == 0)
            break;
        if (!flow->to->writable)
            return TAP_FLOW_WAITS;
        if (turn_over(turn))
            return TAP_FLOW_AGAIN;
        len = tap_flow_allow(flow, len, now_ns);
        if (len > 0)
            len = tap_flow_send(flow, data, len, turn);
        if (len == 0)
            return TAP_FLOW_WAITS;
        if (fault->rate > 0)
            tap_pace_spend(&flow->pace, fault->rate, len);
        tap_queue_pop(&flow->queue, len);
        held -= len;
    }
    flow->wake_ns = tap_queue_due(&flow->queue);
    return flow->queue.used > 0 ? TAP_FLOW_WAITS : tap_flow_end(flow, now_ns);
}

static size_t
tap_flow_room(const struct tap_flow *flow)
{
    bool late = flow->fault.delay_ns > 0;
    size_t room = late && held < HELD_ALL_MAX ? HELD_LATE_MAX : HELD_MAX;
    if (flow->queue.used >= room || flow->queue.marks_used >= TAP_QUEUE_MARKS_MAX)
        return 0;
    room -= flow->queue.used;
    return room < BUFFER ? room : BUFFER;
}

/* The source said its last: notes how, and when that may be passed on. */
static void
tap_flow_over(struct tap_flow *flow, int error, int64_t now_ns)
{
    struct tap_end *from = flow->from;
    from->readable = false;
    if (error != 0 && from->error == 0)
        from->error = error;
    flow->over = from->error != 0 ? TAP_FLOW_BROKE : from->left ? TAP_FLOW_LEFT : TAP_FLOW_SHUT;
    flow->over_due_ns = now_ns + flow->fault.delay_ns;
    if (flow->over_due_ns < flow->queue.last_due_ns)
        flow->over_due_ns = flow->queue.last_due_ns;
    tap_tape_mark(flow->tape, flow->over == TAP_FLOW_BROKE ? RECORD_RESET : RECORD_SHUT, flow->conn,
        flow->way, NULL);
}

/* Reads once and passes on what may go at once. Returns false when there is nothing to do. */
static bool
tap_flow_fill(struct tap_flow *flow, struct turn *turn, enum tap_flow_result *failed)
{
    size_t room = tap_flow_room(flow);
    size_t sent = 0;
    ssize_t n;
    if (!flow->from->readable || flow->over != TAP_FLOW_RUNS || flow->to->error != 0 || room == 0)
        return false;
    do
        n = recv(flow->from->fd, buffer, room, 0);
    while (n < 0 && errno == EINTR);
    turn->calls++;
    if (n < 0 && errno == EAGAIN) {
        flow->from->readable = false;
        return false;
    }
    int64_t now_ns = clock_now();
    if (n <= 0) {
        tap_flow_over(flow, n < 0 ? errno : 0, now_ns);
        return true;
    }
    /* With edge-triggered epoll a short read says as much as EAGAIN (epoll(7)), a call less. */
    if ((size_t)n < room && !flow->from->careful)
        flow->from->readable = false;
    flow->received += (uint64_t)n;
    tap_tape_data(flow->tape, flow->conn, flow->way, buffer, (size_t)n);
    if (tap_fault_none(&flow->fault) && flow->queue.used == 0)
        while (sent < (size_t)n && flow->to->writable)
            sent += tap_flow_send(flow, buffer + sent, (size_t)n - sent, turn);
    if (sent == (size_t)n)
        return true;
    if (tap_queue_push(
            &flow->queue, buffer + sent, (size_t)n - sent, now_ns + flow->fault.delay_ns) < 0) {
        *failed = TAP_FLOW_FAILED;
        return false;
    }
    held += (size_t)n - sent;
    return true;
}

enum tap_flow_result
tap_flow_run(struct tap_flow *flow)
{
    struct turn turn = {0};
    for (;;) {
        flow->wake_ns = CLOCK_NEVER;
        enum tap_flow_result result = tap_flow_drain(flow, clock_now(), &turn);
        if (result != TAP_FLOW_WAITS)
            return result;
        if (turn_over(&turn))
            return TAP_FLOW_AGAIN;
        if (!tap_flow_fill(flow, &turn, &result))
            return result;
    }
}

void
tap_flow_order(struct tap_flow *flow, const struct tap_fault_order *order)
{
    tap_fault_apply(&flow->fault, order, flow->passed);
    if (order->verb == TAP_FAULT_RATE)
        flow->pace.paid_ns = 0;
    if (order->verb == TAP_FAULT_CLEAR) {
        tap_queue_hurry(&flow->queue);
        flow->over_due_ns = 0;
    }
}

void
tap_flow_free(struct tap_flow *flow)
{
    held -= flow->queue.used;
    tap_queue_free(&flow->queue);
}

/*
 * A connection from accept to close. Both sockets are watched edge-triggered, once
 * and for all: events set flags, and tap_conn_run() does whatever the flags allow.
 *
 * What deserves care is the end. The tap must look to each peer as the other peer
 * would: end of stream passes as a half-close; a UNIX peer that closed is gone in
 * both directions; a reset passes as a reset, but SO_LINGER 0 throws away what the
 * kernel has not sent, so that is waited for; and close(2) with unread bytes
 * would send a reset where a close is meant, so they are read first.
 */
#include "tap_conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "tap_address.h"

enum {
    DRAIN_CALLS = 256, /* reads before a close; a sender that goes on for longer gets a reset */
};

#define CONN_EVENTS (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define CONNECT_RETRY_NS (2 * CLOCK_MS) /* a UNIX server's backlog is full: try again */
#define CONNECT_GIVE_UP_NS (10 * (int64_t)CLOCK_S) /* and so long */
#define RESET_RETRY_NS (1 * CLOCK_MS)
#define RESET_GIVE_UP_NS (500 * CLOCK_MS) /* a peer that does not read gets its reset anyway */

static const char *const sides[2] = {"client", "server"};

void
tap_conn_turn(struct tap *tap, struct tap_conn *conn)
{
    if (conn->in_turns || conn->state == TAP_CONN_CLOSED)
        return;
    conn->in_turns = true;
    conn->next_turn = tap->turns;
    tap->turns = conn;
}

/* Sets when the connection runs again without an event. */
static void
tap_conn_wake(struct tap *tap, struct tap_conn *conn, int64_t wake_ns)
{
    conn->wake_ns = wake_ns;
    if (wake_ns == CLOCK_NEVER || conn->in_timed)
        return;
    conn->in_timed = true;
    conn->next_timed = tap->timed;
    tap->timed = conn;
}

/* The connection is over: closes what is open, and tells. */
static void
tap_conn_close(struct tap *tap, struct tap_conn *conn, const char *how)
{
    struct tap_output *output = &tap->output;
    if (!conn->by)
        conn->by = "tap";
    for (int i = 0; i < 2; i++)
        if (conn->ends[i].end.fd >= 0)
            (void)close(conn->ends[i].end.fd); /* sockets: nothing is lost that was not given up */
    if (conn->state != TAP_CONN_CONNECTS) {
        tap_output_begin(output, "close");
        tap_output_number(output, "conn", conn->number);
        tap_output_text(output, "by", conn->by);
        tap_output_text(output, "how", how);
        for (int i = 0; i < 2; i++) {
            tap_output_open(output, record_direction_name((enum record_direction)i), '{');
            tap_output_number(output, "received", conn->flows[i].received);
            tap_output_number(output, "passed", conn->flows[i].passed);
            tap_output_close(output, '}');
        }
        tap_output_seconds(output, "seconds", clock_now() - conn->accepted_ns);
        tap_output_end(output);
        tap_tape_mark(&tap->tape, RECORD_CLOSE, conn->number, RECORD_UP, conn->by);
        tap->open--;
    }
    for (int i = 0; i < 2; i++) {
        tap->received[i] += conn->flows[i].received;
        tap->passed[i] += conn->flows[i].passed;
        tap_flow_free(&conn->flows[i]);
    }
    conn->state = TAP_CONN_CLOSED;
    if (conn->next)
        conn->next->prev = conn->prev;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        tap->conns = conn->next;
    conn->next = tap->buried;
    tap->buried = conn;
    if (tap->listener.retry_ns != CLOCK_NEVER)
        tap->listener.retry_ns = 0; /* now: there are descriptors again */
}

void
tap_conn_bury(struct tap *tap)
{
    struct tap_conn **at = &tap->buried;
    while (*at) {
        struct tap_conn *conn = *at;
        if (conn->in_turns || conn->in_timed) {
            at = &conn->next;
            continue;
        }
        *at = conn->next;
        free(conn);
    }
}

/* Closes so that the peer sees an end of stream and not a reset. */
static void
end_close_gently(struct tap_end *end)
{
    static unsigned char dropped[65536];
    (void)shutdown(end->fd, SHUT_WR); /* fails if the peer has gone, which is as good */
    for (int i = 0; i < DRAIN_CALLS; i++) {
        ssize_t n = recv(end->fd, dropped, sizeof(dropped), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
    }
    (void)close(end->fd);
    end->fd = -1;
}

static void
tap_conn_close_gently(struct tap *tap, struct tap_conn *conn, const char *how)
{
    for (int i = 0; i < 2; i++)
        end_close_gently(&conn->ends[i].end);
    tap_conn_close(tap, conn, how);
}

/* Whether bytes that were written still wait to be sent. Unknown is no. */
static bool
end_unsent(const struct tap_end *end)
{
    int n = 0;
    return !end->local && end->error == 0 && ioctl(end->fd, SIOCOUTQNSD, &n) == 0 && n > 0;
}

/* Resets each end that is not broken already, once its bytes have left. */
static void
tap_conn_try_reset(struct tap *tap, struct tap_conn *conn)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    int64_t now_ns = clock_now();
    if (now_ns < conn->give_up_ns)
        for (int i = 0; i < 2; i++)
            if (end_unsent(&conn->ends[i].end)) {
                tap_conn_wake(tap, conn, now_ns + RESET_RETRY_NS);
                return;
            }
    for (int i = 0; i < 2; i++) {
        struct tap_end *end = &conn->ends[i].end;
        if (end->error == 0 && !end->local)
            (void)setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    tap_conn_close(tap, conn, "reset");
}

void
tap_conn_reset(struct tap *tap, struct tap_conn *conn)
{
    if (conn->state == TAP_CONN_RESETS)
        return;
    if (!conn->by)
        conn->by = "tap";
    if (conn->state == TAP_CONN_OPEN)
        conn->state = TAP_CONN_RESETS;
    conn->give_up_ns = clock_now() + RESET_GIVE_UP_NS;
    tap_conn_try_reset(tap, conn);
}

void
tap_conn_cut(struct tap *tap, struct tap_conn *conn)
{
    conn->by = "tap";
    tap_conn_close_gently(tap, conn, "cut");
}

/* The server is not to be had. The client sees a reset, as near to a refusal as can be now. */
static void
tap_conn_refuse(struct tap *tap, struct tap_conn *conn, int error)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    tap->refused++;
    tap_output_begin(&tap->output, "refused");
    tap_output_number(&tap->output, "conn", conn->number);
    tap_output_text(&tap->output, "client", conn->ends[0].peer);
    tap_output_text(&tap->output, "text", strerror(error));
    tap_output_end(&tap->output);
    (void)setsockopt(conn->ends[0].end.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    tap_conn_close(tap, conn, "refused");
}

/* Both sides are there. */
static void
tap_conn_opened(struct tap *tap, struct tap_conn *conn)
{
    struct record_names names = {
        conn->ends[0].peer, conn->ends[0].own, conn->ends[1].own, conn->ends[1].peer};
    struct sockaddr_any own;
    if (tap_address_own(&own, conn->ends[1].end.fd) == 0)
        tap_address_print(conn->ends[1].own, &own);
    conn->state = TAP_CONN_OPEN;
    tap_conn_wake(tap, conn, CLOCK_NEVER);
    tap->open++;
    tap_output_begin(&tap->output, "open");
    tap_output_number(&tap->output, "conn", conn->number);
    tap_output_text(&tap->output, "client", names.client);
    tap_output_text(&tap->output, "front", names.front);
    tap_output_text(&tap->output, "back", names.back);
    tap_output_text(&tap->output, "server", names.server);
    tap_output_end(&tap->output);
    tap_tape_opened(&tap->tape, conn->number, &names);
}

static void
end_ready(struct tap *tap, struct tap_watch *watch, uint32_t events)
{
    struct tap_conn_end *at = (struct tap_conn_end *)(void *)watch;
    struct tap_conn *conn = at->conn;
    struct tap_flow *flow = &conn->flows[at == &conn->ends[1]]; /* the one that reads here */
    int error = 0;
    socklen_t len = sizeof(error);
    if (conn->state == TAP_CONN_CLOSED)
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
        at->end.readable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) /* an end or urgent data to come */
        at->end.careful = true;
    if (events & EPOLLOUT)
        at->end.writable = true;
    if (conn->state == TAP_CONN_OPEN || at == &conn->ends[0]) {
        if ((events & EPOLLERR) &&
            getsockopt(at->end.fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0)
            tap_flow_broke(flow, error);
        if ((events & EPOLLHUP) && at->end.local)
            tap_flow_left(flow);
    }
    tap_conn_turn(tap, conn);
}

/* Connects, or finds out how connecting went. */
static void
tap_conn_connect(struct tap *tap, struct tap_conn *conn, bool again)
{
    struct tap_conn_end *server = &conn->ends[1];
    int error = 0;
    socklen_t len = sizeof(error);
    if (again) {
        if (connect(server->end.fd, &tap->back.any, tap->back.len) < 0)
            error = errno;
        if (error == EAGAIN && clock_now() < conn->give_up_ns) {
            tap_conn_wake(tap, conn, clock_now() + CONNECT_RETRY_NS);
            return;
        }
        tap_conn_wake(tap, conn, CLOCK_NEVER);
        if ((error == 0 || error == EINPROGRESS || error == EINTR) &&
            tap_watch(tap, server->end.fd, &server->watch, CONN_EVENTS) < 0)
            error = errno;
        else if (error == EINPROGRESS || error == EINTR)
            return;
    } else if (getsockopt(server->end.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        error = errno;
    }
    if (error != 0)
        tap_conn_refuse(tap, conn, error);
    else
        tap_conn_opened(tap, conn);
}

int
tap_conn_open(struct tap *tap, int fd, const struct sockaddr_any *client, int server_fd)
{
    struct tap_conn *conn = calloc(1, sizeof(*conn));
    struct sockaddr_any own;
    if (!conn || tap_watch(tap, fd, &conn->ends[0].watch, CONN_EVENTS) < 0) {
        tap_error(tap, "a connection is dropped", errno);
        free(conn);
        (void)close(fd);
        (void)close(server_fd);
        return -1;
    }
    conn->number = ++tap->accepted;
    conn->wake_ns = CLOCK_NEVER;
    conn->accepted_ns = clock_now();
    conn->give_up_ns = conn->accepted_ns + CONNECT_GIVE_UP_NS;
    conn->next = tap->conns;
    if (conn->next)
        conn->next->prev = conn;
    tap->conns = conn;
    conn->ends[0].end.fd = fd;
    conn->ends[1].end.fd = server_fd;
    for (int i = 0; i < 2; i++) {
        struct tap_conn_end *at = &conn->ends[i];
        at->watch.ready = end_ready;
        at->conn = conn;
        at->end.local = (i == 0 ? &tap->front : &tap->back)->any.sa_family == AF_UNIX;
        at->end.careful = at->end.local; /* reads stop short where descriptors were passed */
        tap_address_print(at->peer, i == 0 ? client : &tap->back);
        conn->flows[i] = (struct tap_flow){
            .from = &conn->ends[i].end,
            .to = &conn->ends[1 - i].end,
            .back = &conn->flows[1 - i],
            .tape = &tap->tape,
            .conn = conn->number,
            .way = (enum record_direction)i,
            .fault = tap->faults[i],
        };
    }
    tap_address_print(conn->ends[0].own, &tap->front);
    if (!conn->ends[0].end.local && tap_address_own(&own, fd) == 0)
        tap_address_print(conn->ends[0].own, &own);
    tap_conn_connect(tap, conn, true);
    tap_conn_turn(tap, conn);
    return 0;
}

/* Acts on what a flow said. Returns true if the connection is still open. */
static bool
tap_conn_heed(struct tap *tap, struct tap_conn *conn, int way, enum tap_flow_result result)
{
    const struct tap_flow *flow = &conn->flows[way];
    if (!conn->by && flow->over != TAP_FLOW_RUNS)
        conn->by = sides[way];
    switch (result) {
    case TAP_FLOW_AGAIN:
        tap_conn_turn(tap, conn);
        return true;
    case TAP_FLOW_ENDED:
        if (flow->over == TAP_FLOW_BROKE)
            tap_conn_reset(tap, conn);
        else
            tap_conn_close_gently(tap, conn, "end");
        return false;
    case TAP_FLOW_CUT:
        tap_conn_cut(tap, conn);
        return false;
    case TAP_FLOW_FAILED:
        tap_error(tap, "a connection is reset", ENOMEM);
        tap_conn_reset(tap, conn);
        return false;
    case TAP_FLOW_RESET:
        conn->by = "tap";
        tap_conn_reset(tap, conn);
        return false;
    default:
        return true;
    }
}

void
tap_conn_run(struct tap *tap, struct tap_conn *conn)
{
    if (conn->state == TAP_CONN_CONNECTS) {
        if (clock_now() >= conn->wake_ns)
            tap_conn_connect(tap, conn, true);
        else if (conn->ends[1].end.writable || conn->ends[1].end.readable)
            tap_conn_connect(tap, conn, false);
    }
    if (conn->state == TAP_CONN_RESETS)
        tap_conn_try_reset(tap, conn);
    if (conn->state != TAP_CONN_OPEN)
        return;
    int broken = (conn->ends[0].end.error != 0) + (conn->ends[1].end.error != 0);
    for (int way = 0; way < 2; way++)
        if (!tap_conn_heed(tap, conn, way, tap_flow_run(&conn->flows[way])))
            return;
    if (conn->ends[0].end.error != 0 && conn->ends[1].end.error != 0) {
        tap_conn_reset(tap, conn); /* nobody is left to hear anything */
        return;
    }
    if (broken != (conn->ends[0].end.error != 0) + (conn->ends[1].end.error != 0))
        tap_conn_turn(tap, conn); /* a write told one flow what the other must hear */
    if (conn->flows[0].done && conn->flows[1].done)
        tap_conn_close(tap, conn, "end");
    else
        tap_conn_wake(tap, conn, tap_earlier(conn->flows[0].wake_ns, conn->flows[1].wake_ns));
}

/*
 * The bare ping-pong of a server with many clients: non-blocking sockets, and an epoll that says
 * which of them has something to read. Both ends wait in epoll_wait(), as a program must that heeds
 * time-outs and more than one peer; so a round trip is six system calls.
 *
 *     baseline-epoll rep -u tcp://127.0.0.1:5555 -s 64
 *     baseline-epoll req -u tcp://127.0.0.1:5555 -s 64 -n 100000
 */
#include "baseline.h"

#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 64,
};

/* A connection: all its messages have the same length, and only one is on its way. */
struct conn {
    int fd;
    size_t got; /* bytes of the message that is being received */
};

static struct baseline baseline_;

static void
watch(int epoll, struct conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    (void)fcntl(conn->fd, F_SETFL, O_NONBLOCK); /* cannot fail for an open one */
    baseline_check(&baseline_, epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &event) == 0, "epoll_ctl");
}

/* Receives what is there: 1 if the message is whole then, 0 if not yet, -1 at the end. */
static int
receive(struct conn *conn)
{
    ssize_t n = recv(conn->fd, baseline_.data + conn->got, baseline_.size - conn->got, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    conn->got += (size_t)n;
    if (conn->got < baseline_.size)
        return 0;
    conn->got = 0;
    return 1;
}

/* Sends the message; what does not fit into the kernel's buffer waits for room there. */
static bool
transmit(const struct conn *conn)
{
    for (size_t sent = 0; sent < baseline_.size;) {
        ssize_t n = send(conn->fd, baseline_.data + sent, baseline_.size - sent, MSG_NOSIGNAL);
        struct pollfd room = {.fd = conn->fd, .events = POLLOUT};
        if (n >= 0)
            sent += (size_t)n;
        else if (errno != EAGAIN || poll(&room, 1, -1) < 0)
            return false;
    }
    return true;
}

static void
serve(void)
{
    struct epoll_event events[EVENTS];
    struct conn listener = {.fd = baseline_listen(&baseline_)};
    int epoll = epoll_create1(0);
    watch(epoll, &listener);
    baseline_ready(&baseline_);
    while (!stop_requested()) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct conn *conn = events[i].data.ptr;
            if (conn == &listener) {
                struct conn *new = calloc(1, sizeof(*new));
                int fd = new ? baseline_accept(listener.fd) : -1;
                if (fd >= 0) {
                    new->fd = fd;
                    watch(epoll, new);
                } else {
                    free(new);
                }
                continue;
            }
            int result = receive(conn);
            if (result < 0 || (result > 0 && !transmit(conn))) {
                (void)close(conn->fd);
                free(conn);
            }
        }
    }
    if (strncmp(baseline_.url, "ipc://", 6) == 0)
        (void)unlink(baseline_.url + 6);
}

static void
ask(void)
{
    struct epoll_event event;
    struct conn conn = {.fd = baseline_connect(&baseline_)};
    int epoll = epoll_create1(0);
    watch(epoll, &conn);
    while (baseline_more(&baseline_)) {
        int64_t start = baseline_turn(&baseline_);
        int result = transmit(&conn) ? 0 : -1;
        while (result == 0 && epoll_wait(epoll, &event, 1, -1) > 0)
            result = receive(&conn);
        if (!baseline_check(&baseline_, result > 0, "round trip"))
            break;
        baseline_round_trip(&baseline_, start);
    }
}

int
main(int argc, char **argv)
{
    baseline_open(&baseline_, "baseline-epoll", argc, argv);
    if (baseline_is(&baseline_, "rep"))
        serve();
    else
        ask();
    return baseline_close(&baseline_);
}

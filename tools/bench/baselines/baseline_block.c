/*
 * The bare ping-pong: two processes, one connection, blocking send() and recv(). Nothing that
 * answers requests over a stream can do with less; it serves one client, once.
 *
 *     baseline-block rep -u tcp://127.0.0.1:5555 -s 64
 *     baseline-block req -u tcp://127.0.0.1:5555 -s 64 -n 100000
 */
#include "baseline.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct baseline baseline_;

/* A stream has no messages: one is there when all its bytes are. */
static bool
receive(int fd)
{
    return recv(fd, baseline_.data, baseline_.size, MSG_WAITALL) == (ssize_t)baseline_.size;
}

static bool
transmit(int fd)
{
    return send(fd, baseline_.data, baseline_.size, MSG_NOSIGNAL) == (ssize_t)baseline_.size;
}

int
main(int argc, char **argv)
{
    baseline_open(&baseline_, "baseline-block", argc, argv);
    if (baseline_is(&baseline_, "rep")) {
        int listener = baseline_listen(&baseline_);
        baseline_ready(&baseline_);
        int fd = baseline_accept(listener);
        while (fd >= 0 && receive(fd) && transmit(fd))
            ;
        if (strncmp(baseline_.url, "ipc://", 6) == 0)
            (void)unlink(baseline_.url + 6);
    } else {
        int fd = baseline_connect(&baseline_);
        while (baseline_more(&baseline_)) {
            int64_t start = baseline_turn(&baseline_);
            if (!baseline_check(&baseline_, transmit(fd) && receive(fd), "round trip"))
                break;
            baseline_round_trip(&baseline_, start);
        }
    }
    return baseline_close(&baseline_);
}

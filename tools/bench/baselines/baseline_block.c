/*
 * The bare ping-pong: two processes, one connection, blocking send() and recv(). Nothing that
 * answers requests over a stream can do with less; it serves one client, once.
 *
 *     floor-block rep -u tcp://127.0.0.1:5555 -s 64
 *     floor-block req -u tcp://127.0.0.1:5555 -s 64 -n 100000
 */
#include "baseline.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct floor floor_;

/* A stream has no messages: one is there when all its bytes are. */
static bool
receive(int fd)
{
    return recv(fd, floor_.data, floor_.size, MSG_WAITALL) == (ssize_t)floor_.size;
}

static bool
transmit(int fd)
{
    return send(fd, floor_.data, floor_.size, MSG_NOSIGNAL) == (ssize_t)floor_.size;
}

int
main(int argc, char **argv)
{
    floor_open(&floor_, "floor-block", argc, argv);
    if (floor_is(&floor_, "rep")) {
        int listener = floor_listen(&floor_);
        floor_ready(&floor_);
        int fd = floor_accept(listener);
        while (fd >= 0 && receive(fd) && transmit(fd))
            ;
        if (strncmp(floor_.url, "ipc://", 6) == 0)
            (void)unlink(floor_.url + 6);
    } else {
        int fd = floor_connect(&floor_);
        while (floor_more(&floor_)) {
            int64_t start = floor_turn(&floor_);
            if (!floor_check(&floor_, transmit(fd) && receive(fd), "round trip"))
                break;
            floor_round_trip(&floor_, start);
        }
    }
    return floor_close(&floor_);
}

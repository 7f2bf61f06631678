/* A connection of raw's whose other end is the test's: a pair of sockets. */
#ifndef CONN_PAIR_H
#define CONN_PAIR_H

#include "conn.h"
#include "unit.h"

#include <sys/socket.h>
#include <unistd.h>

struct pair {
    struct loop loop;
    struct buffer spare;
    struct conn conn;
    int peer;
    int calls; /* of the connection's callback */
};

static inline void
pair_ready(void *owner, uint32_t events)
{
    struct pair *pair = owner;
    pair->calls++;
    assert_int_equal(conn_ready(&pair->conn, events), 0);
}

/* Connects to a new peer. buffer: of the connection's sending side, in the kernel; 0: the usual. */
static inline void
pair_connect(struct pair *pair, int buffer)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    if (buffer > 0)
        assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)), 0);
    assert_int_equal(conn_attach(&pair->conn, fds[0], pair_ready, pair), 0);
    pair->peer = fds[1];
}

static inline void
pair_open(struct pair *pair, int buffer)
{
    *pair = (struct pair){.peer = -1};
    assert_int_equal(loop_open(&pair->loop), 0);
    conn_open(&pair->conn, &pair->loop, &pair->spare);
    pair_connect(pair, buffer);
}

static inline void
pair_close(struct pair *pair)
{
    conn_close(&pair->conn);
    free(pair->spare.data);
    loop_close(&pair->loop);
    if (pair->peer >= 0)
        assert_int_equal(close(pair->peer), 0);
}

#endif

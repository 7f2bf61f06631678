/* A server's connections: how they are accepted, read in turn, and closed. */
#include "unit.h"

#include "clock.h"
#include "endpoint.h"
#include "server.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

static struct server server;
static int cleanups;

static void
on_cleanup(struct peer *peer)
{
    (void)peer;
    cleanups++;
}

static int
setup(void **state)
{
    (void)state;
    cleanups = 0;
    return server_open(&server, "tcp://127.0.0.1:0", sizeof(struct peer), on_cleanup);
}

static int
teardown(void **state)
{
    (void)state;
    server_close(&server);
    return 0;
}

/* A client, connected and accepted. */
static int
connected(struct peer **peer)
{
    struct sockaddr_any address = {.len = sizeof(address.storage)};
    bool done;
    int fd = server.listener.source.fd;
    assert_int_equal(getsockname(fd, &address.any, &address.len), 0);
    int client = endpoint_connect(&address, &done);
    struct peer *before = LIST_FIRST(&server.peers);
    int64_t deadline = clock_deadline(5000);
    while (LIST_FIRST(&server.peers) == before)
        assert_int_equal(loop_turn(&server.loop, deadline), 0);
    *peer = LIST_FIRST(&server.peers);
    return client;
}

/* The next peer of the queue, within some seconds. */
static struct peer *
next_peer(void)
{
    struct peer *peer;
    int64_t deadline = clock_deadline(5000);
    while (!(peer = server_next_peer(&server)))
        assert_int_equal(loop_turn(&server.loop, deadline), 0);
    return peer;
}

static void
test_small_replies_go_at_once(void **state)
{
    (void)state;
    struct peer *peer;
    int client = connected(&peer), on = 0;
    socklen_t len = sizeof(on);
    assert_int_equal(getsockopt(peer->conn.source.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_true(on);
    assert_int_equal(close(client), 0);
}

/* Those that one turn accepts, too. */
static void
test_small_replies_to_all_go_at_once(void **state)
{
    (void)state;
    struct sockaddr_any address = {.len = sizeof(address.storage)};
    int clients[3], count = 0;
    bool done;
    assert_int_equal(getsockname(server.listener.source.fd, &address.any, &address.len), 0);
    for (int i = 0; i < 3; i++)
        clients[i] = endpoint_connect(&address, &done);
    int64_t deadline = clock_deadline(5000);
    while (count < 3) {
        assert_int_equal(loop_turn(&server.loop, deadline), 0);
        const struct peer *peer;
        count = 0;
        LIST_FOREACH(peer, &server.peers, all)
        {
            int on = 0;
            socklen_t len = sizeof(on);
            int fd = peer->conn.source.fd;
            assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
            assert_true(on);
            count++;
        }
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(close(clients[i]), 0);
}

static void
test_peers_are_read_in_turn(void **state)
{
    (void)state;
    struct peer *peers[3];
    int clients[3];
    for (int i = 0; i < 3; i++)
        clients[i] = connected(&peers[i]);
    for (int i = 2; i >= 0; i--) {
        assert_int_equal(write(clients[i], "x", 1), 1);
        while (!peers[i]->queued)
            assert_int_equal(loop_turn(&server.loop, clock_deadline(5000)), 0);
    }
    peer_enqueue(peers[2]); /* it is queued, and stays where it is */
    for (int i = 2; i >= 0; i--)
        assert_ptr_equal(server_next_peer(&server), peers[i]);
    assert_null(server_next_peer(&server));
    peer_enqueue(peers[1]);
    peer_close(peers[1]); /* it leaves the queue */
    assert_int_equal(cleanups, 1);
    assert_null(server_next_peer(&server));
    for (int i = 0; i < 3; i++)
        assert_int_equal(close(clients[i]), 0);
}

/* A peer that has closed its end: told once, and then not again, though it may still read. */
static void
test_half_closed(void **state)
{
    (void)state;
    struct peer *peer;
    int client = connected(&peer);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    assert_ptr_equal(next_peer(), peer);
    assert_true(peer->conn.hangup);
    assert_int_equal(conn_read(&peer->conn), 0);
    assert_true(peer->conn.ended);
    for (int i = 0; i < 3; i++)
        assert_fails(loop_turn(&server.loop, LOOP_NOW), ETIMEDOUT); /* nothing is ready */

    /* What waits for room is sent, and its owner is told to look again. */
    static unsigned char reply[8 << 20], received[1 << 16];
    const struct framing framing = {.max = sizeof(reply)};
    assert_int_equal(conn_write(&peer->conn, &framing, 0, reply, sizeof(reply)), 0);
    assert_true(conn_pending(&peer->conn) > 0);
    for (int i = 0; i < 3 && loop_turn(&server.loop, LOOP_NOW) == 0; i++)
        ;
    peer->queued = peer->queued && server_next_peer(&server) != peer;
    assert_fails(loop_turn(&server.loop, LOOP_NOW), ETIMEDOUT); /* nobody reads: no turn spins */
    size_t left = sizeof(reply) + FRAME_LENGTH;
    int64_t deadline = clock_deadline(10000);
    while (left > 0) {
        ssize_t n = recv(client, received, sizeof(received), 0);
        left -= n > 0 ? (size_t)n : 0;
        assert_true(n > 0 || loop_turn(&server.loop, deadline) == 0);
    }
    assert_ptr_equal(next_peer(), peer);
    assert_int_equal(conn_pending(&peer->conn), 0);
    assert_int_equal(close(client), 0);
}

/* The other end resets while the server still has something to send: it is closed at once. */
static void
test_reset(void **state)
{
    (void)state;
    struct peer *peer;
    int client = connected(&peer);
    static unsigned char reply[8 << 20];
    const struct framing framing = {.max = sizeof(reply)};
    const struct linger hard = {.l_onoff = 1};
    assert_int_equal(conn_write(&peer->conn, &framing, 0, reply, sizeof(reply)), 0);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    assert_int_equal(close(client), 0);
    int64_t deadline = clock_deadline(5000);
    while (!LIST_EMPTY(&server.peers))
        assert_int_equal(loop_turn(&server.loop, deadline), 0);
    assert_int_equal(cleanups, 1);
    assert_null(server_next_peer(&server));
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_small_replies_go_at_once),
        SERVER_TEST(test_small_replies_to_all_go_at_once),
        SERVER_TEST(test_peers_are_read_in_turn),
        SERVER_TEST(test_half_closed),
        SERVER_TEST(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

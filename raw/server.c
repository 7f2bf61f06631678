/*
 * A server's connections. Those with something to read stand in a queue, from
 * which the role takes one at a time. So every peer has its turn, however much
 * another one sends.
 */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void
on_peer(void *owner, uint32_t events)
{
    struct peer *peer = owner;
    if (conn_ready(&peer->conn, events) < 0)
        peer_close(peer);
    else if (peer->conn.readable || peer->conn.ended)
        peer_enqueue(peer);
}

static void
on_accepted(void *owner, int fd)
{
    struct server *server = owner;
    struct peer *peer = calloc(1, server->peer_size);
    if (!peer) {
        (void)close(fd);
        return;
    }
    peer->server = server;
    conn_open(&peer->conn, &server->loop, &server->spare);
    if (conn_attach(&peer->conn, fd, on_peer, peer) < 0) {
        (void)close(fd);
        free(peer);
        return;
    }
    LIST_INSERT_HEAD(&server->peers, peer, all);
}

int
server_open(struct server *ret, const char *url, size_t peer_size,
    void (*cleanup)(struct peer *))
{
    *ret = (struct server){
        .listener.source.fd = -1,
        .peer_size = peer_size,
        .cleanup = cleanup,
    };
    LIST_INIT(&ret->peers);
    TAILQ_INIT(&ret->queue);
    if (loop_open(&ret->loop) < 0)
        return -1;
    return listener_open(&ret->listener, &ret->loop, url, on_accepted, ret);
}

struct peer *
server_next_peer(struct server *server)
{
    struct peer *peer = TAILQ_FIRST(&server->queue);
    if (peer) {
        TAILQ_REMOVE(&server->queue, peer, queue);
        peer->queued = false;
    }
    return peer;
}

void
peer_enqueue(struct peer *peer)
{
    if (!peer->queued)
        TAILQ_INSERT_TAIL(&peer->server->queue, peer, queue);
    peer->queued = true;
}

void
peer_close(struct peer *peer)
{
    if (peer->queued)
        TAILQ_REMOVE(&peer->server->queue, peer, queue);
    LIST_REMOVE(peer, all);
    if (peer->server->cleanup)
        peer->server->cleanup(peer);
    conn_close(&peer->conn);
    free(peer);
}

static bool
has_unsent(const struct server *server)
{
    const struct peer *peer;
    LIST_FOREACH(peer, &server->peers, all)
    {
        if (peer->conn.source.fd >= 0 && conn_pending(&peer->conn) > 0)
            return true;
    }
    return false;
}

void
server_linger(struct server *server, int64_t deadline)
{
    listener_close(&server->listener);
    while (has_unsent(server) && /* R11 */
        (loop_turn(&server->loop, deadline) == 0 || errno == EINTR))
        ;
}

void
server_close(struct server *server)
{
    struct peer *peer;
    listener_close(&server->listener);
    while ((peer = LIST_FIRST(&server->peers))) {
        conn_drain(&peer->conn);
        peer_close(peer);
    }
    free(server->spare.data);
    loop_close(&server->loop);
}

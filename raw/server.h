/* A bound socket, its connections, and the queue of those to be read. */
#ifndef SERVER_H
#define SERVER_H

#include "conn.h"
#include "listener.h"
#include "loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* One connection; a role may put more members behind it: see peer_size. */
struct peer {
    struct server *server;
    struct conn conn;
    bool queued;
    LIST_ENTRY(peer) all;
    TAILQ_ENTRY(peer) queue;
};

LIST_HEAD(peer_list, peer);
TAILQ_HEAD(peer_queue, peer);

struct server {
    struct loop loop;
    struct listener listener;
    struct buffer spare; /* the connections' common read buffer */
    size_t peer_size; /* bytes of the role's type, which begins with a peer */
    void (*cleanup)(struct peer *peer);
    struct peer_list peers;
    struct peer_queue
        queue; /* those with something to read, first come first */
};

/*
 * Binds to url. Each peer is allocated with peer_size bytes, all zero.
 * cleanup(peer), which may be NULL, is called before it is freed. The caller
 * must call server_close() even if this fails.
 */
int server_open(struct server *ret, const char *url, size_t peer_size,
    void (*cleanup)(struct peer *));

/* Takes the next peer off the queue. NULL: the queue is empty. */
struct peer *server_next_peer(struct server *server);

/* Puts a peer at the end of the queue, unless it is in it. */
void peer_enqueue(struct peer *peer);

/* Closes the connection and frees the peer. */
void peer_close(struct peer *peer);

/*
 * Stops listening, and runs the loop until everything queued for peers is sent
 * or the deadline has passed.
 */
void server_linger(struct server *server, int64_t deadline);

void server_close(struct server *server);

#endif

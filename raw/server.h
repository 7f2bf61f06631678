/* A bound socket's connections, and which of them want attention. */
#ifndef SERVER_H
#define SERVER_H

#include "conn.h"
#include "listener.h"
#include "loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* One connection; the first member of what a role knows of its peer. */
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
    struct buffer spare;
    size_t peer_size; /* bytes of what begins with a struct peer */
    void (*leave)(struct peer *peer);
    struct peer_list peers;
    struct peer_queue queue; /* with something to read, in order of arrival */
};

/*
 * Binds to url. Each peer is peer_size zeroed bytes; leave(peer), which may be
 * NULL, is called before it is freed. server_close() is due in any case.
 */
int server_open(struct server *ret, const char *url, size_t peer_size,
    void (*leave)(struct peer *));

/* Takes the next peer off the queue, or returns NULL. */
struct peer *server_next(struct server *server);

/* Queues a peer, behind the others. */
void peer_enqueue(struct peer *peer);

/* Closes the connection, and frees. */
void peer_close(struct peer *peer);

/*
 * Listens no more, and works until all that is kept for peers is sent, or the
 * deadline.
 */
void server_finish(struct server *server, int64_t deadline);

void server_close(struct server *server);

#endif

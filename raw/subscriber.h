/* A subscriber as the publisher sees it: a peer, its prefixes, its cursor. */
#ifndef SUBSCRIBER_H
#define SUBSCRIBER_H

#include "log.h"
#include "prefixes.h"
#include "server.h"

struct subscriber {
    struct peer peer;
    struct prefixes prefixes;
    struct log *log; /* NULL: it has not subscribed to anything yet */
    struct cursor cursor;
};

/*
 * Reads its subscriptions. -1: it has gone, or sends something else: close it.
 */
int subscriber_read(struct subscriber *subscriber, struct log *log);

/* Frees what it has and holds; server_open() takes it as cleanup(). */
void subscriber_cleanup(struct peer *peer);

/*
 * Writes to each subscriber the messages of the log from its cursor on, as many
 * as its connection takes. Closes those that cannot get the rest of a message
 * any more. Returns the number of the first message that some subscriber still
 * needs.
 */
uint64_t subscribers_flush(struct server *server, const struct log *log);

/* Whether every subscriber has been sent all of the log. */
bool subscribers_up_to_date(const struct server *server);

#endif

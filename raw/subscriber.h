/* A subscriber as the publisher sees it: a peer, its prefixes, its cursor. */
#ifndef SUBSCRIBER_H
#define SUBSCRIBER_H

#include "log.h"
#include "prefixes.h"
#include "server.h"

struct subscriber {
    struct peer peer;
    struct prefixes prefixes;
    uint64_t cursor; /* number of the next message in the log to write to it */
};

/*
 * Reads its subscriptions. -1: it has gone, or sends something else: close it.
 */
int subscriber_read(struct subscriber *subscriber, const struct log *log);

/* Frees the prefixes; server_open() takes it as cleanup(). */
void subscriber_cleanup(struct peer *peer);

/*
 * Writes to each subscriber the messages of the log from its cursor on, as many
 * as its connection takes. Returns the number of the first message that some
 * subscriber still needs.
 */
uint64_t subscribers_flush(struct server *server, const struct log *log);

/* Whether every subscriber has been sent all of the log. */
bool subscribers_up_to_date(const struct server *server, const struct log *log);

#endif

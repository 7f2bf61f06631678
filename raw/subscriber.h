/* Subscribers as their publisher sees them: prefixes, a cursor in the log. */
#ifndef SUBSCRIBER_H
#define SUBSCRIBER_H

#include "log.h"
#include "prefixes.h"
#include "server.h"

struct subscriber {
    struct peer peer;
    struct prefixes prefixes;
    uint64_t cursor; /* the next message in the log that it is to have */
};

/* Reads its subscriptions. -1: it has gone, or it is none: close it. */
int subscriber_listen(struct subscriber *subscriber, const struct log *log);

/* Frees what it holds: for server_open(). */
void subscriber_leave(struct peer *peer);

/*
 * Writes each subscriber what it has not had of the log, as far as it goes.
 * Returns the number of the first message that one of them still wants.
 */
uint64_t subscribers_serve(struct server *server, const struct log *log);

/* Whether all of them have had all of the log. */
bool subscribers_served(const struct server *server, const struct log *log);

#endif

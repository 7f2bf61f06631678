/* Keeps one connection to an address: connects, and connects again. */
#ifndef DIALER_H
#define DIALER_H

#include "conn.h"
#include "endpoint.h"
#include "loop.h"

#include <stdint.h>

struct dialer {
    struct loop *loop;
    struct sockaddr_any address;
    struct conn conn; /* may be written to at any time */
    enum {
        DIALER_WAITING, /* for the next attempt */
        DIALER_CONNECTING,
        DIALER_CONNECTED,
    } state;
    int64_t wait_ns; /* before the next attempt */
    uint64_t random; /* state of the jitter */
    int (*connected)(void *owner);
    void *owner;
};

/*
 * Begins to connect to url; the loop's timer is the dialer's from here on.
 * connected(owner) is called each time that it is, before what was written to
 * conn goes out; -1 gives the connection up again. It may be NULL.
 * dialer_close() is due in any case.
 */
int dialer_open(struct dialer *ret, struct loop *loop, const char *url,
    int (*connected)(void *), void *owner);

/* The connection is of no use any more: makes another. */
void dialer_drop(struct dialer *dialer);

/* The peer has proved to be one: the next attempt need not wait long. */
void dialer_prove(struct dialer *dialer);

void dialer_close(struct dialer *dialer);

#endif

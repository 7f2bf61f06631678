/* Connects to an address, and again whenever the connection breaks. */
#ifndef DIALER_H
#define DIALER_H

#include "conn.h"
#include "endpoint.h"
#include "loop.h"

#include <stdint.h>

struct dialer {
    struct loop *loop;
    struct sockaddr_any address;
    struct conn conn; /* accepts writes in every state */
    enum {
        DIALER_WAITING, /* until the next attempt */
        DIALER_CONNECTING,
        DIALER_CONNECTED,
    } state;
    int64_t backoff_ns; /* the longest wait before the next attempt */
    uint64_t random; /* the jitter's state */
    int (*connected)(void *owner);
    void *owner;
};

/*
 * Starts connecting to url. The dialer uses the loop's timer from here on. Each
 * time a connection is made, it calls connected(owner), which may be NULL,
 * before it sends what is queued; -1 makes it give up that connection. The
 * caller must call dialer_close() even if this fails.
 */
int dialer_open(struct dialer *ret, struct loop *loop, const char *url,
    int (*connected)(void *), void *owner);

/* Drops the connection and schedules the next attempt. */
void dialer_reconnect(struct dialer *dialer);

/*
 * Makes the next wait short again. Called when the peer has sent a valid frame:
 * being connected alone does not show that the server is well.
 */
void dialer_reset_backoff(struct dialer *dialer);

void dialer_close(struct dialer *dialer);

#endif

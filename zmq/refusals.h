/*
 * Whom a server's socket refuses. The library closes such a connection and
 * tells its monitor alone (zmq_socket_monitor(3)). What the monitor tells is
 * judged here, and told once with notice().
 */
#ifndef REFUSALS_H
#define REFUSALS_H

struct refusals {
    void *monitor; /* receives what the library tells of connections */
    int newest; /* descriptor of the connection that was accepted last, as long
                   as nothing is known of its handshake; else -1 */
    unsigned turns; /* may overflow */
};

/*
 * Begins to watch a socket that is not bound yet. *descriptor becomes readable
 * when refusals_read() has something to read. The caller must call
 * refusals_end(), also after a failure.
 */
int refusals_watch(
    struct refusals *refusals, void *ctx, void *socket, int *descriptor);

/* Reads and judges all that the library has told. */
void refusals_read(struct refusals *refusals);

/* The same, but only in each 1024th call: for a program that never waits. */
void refusals_turn(struct refusals *refusals);

/* Ends the watch, if there is one. */
void refusals_end(struct refusals *refusals, void *socket);

#endif

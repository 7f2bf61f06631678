/*
 * Whom a server's socket refuses. The library closes such a connection and
 * tells its monitor alone (zmq_socket_monitor(3)). reqrep.c and pubsub.c read
 * the monitor; what it tells is judged here, and told once with notice().
 */
#ifndef REFUSALS_H
#define REFUSALS_H

/* The monitor's address, within the server's own context. */
#define REFUSALS_URL "inproc://refusals"

enum {
    REFUSALS_EVENT_SIZE = 6, /* bytes: 16 bits which event, 32 its value */
    REFUSALS_EVERY = 1024, /* messages between two looks at the monitor, if the
                              program never waits: its queue has no limit */
};

struct refusals {
    int newest; /* descriptor of the connection that was accepted last, as long
                   as nothing is known of its handshake; else -1 */
};

/* Judges an event: the first part of what the monitor sent. */
void refusals_judge(struct refusals *refusals, const unsigned char *event);

#endif

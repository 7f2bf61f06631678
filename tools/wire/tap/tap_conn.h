/*
 * A connection through the tap: the socket that the client came by, the one to
 * the server, and the two flows between them.
 */
#ifndef TAP_CONN_H
#define TAP_CONN_H

#include "tap.h"
#include "tap_flow.h"

enum tap_conn_state {
    TAP_CONN_CONNECTS, /* to the server */
    TAP_CONN_OPEN,
    TAP_CONN_RESETS, /* waits, shortly, for bytes to leave before the reset */
    TAP_CONN_CLOSED, /* and freed at the end of the round */
};

struct tap_conn_end {
    struct tap_watch watch;
    struct tap_end end;
    struct tap_conn *conn;
    char own[RECORD_NAME_MAX]; /* the tap's address here */
    char peer[RECORD_NAME_MAX];
};

struct tap_conn {
    uint32_t number;
    enum tap_conn_state state;
    struct tap_conn_end ends[2]; /* the client's, the server's */
    struct tap_flow flows[2]; /* up, down */
    int64_t accepted_ns;
    int64_t give_up_ns; /* connecting or resetting: when to stop trying */
    int64_t wake_ns; /* when to run without an event; else CLOCK_NEVER */
    const char *by; /* who ended it first: "client", "server" or "tap"; NULL: nobody yet */
    struct tap_conn *next; /* in tap->conns */
    struct tap_conn *prev;
    struct tap_conn *next_turn;
    struct tap_conn *next_timed;
    bool in_turns;
    bool in_timed;
};

/*
 * A client came by fd: connects the socket server_fd to the server for it. Both
 * descriptors are the connection's, whatever happens. -1: it failed, and that has
 * been reported.
 */
int tap_conn_open(struct tap *tap, int fd, const struct sockaddr_any *client, int server_fd);

/* Asks the loop to run the connection in this round; then does what can be done. */
void tap_conn_turn(struct tap *tap, struct tap_conn *conn);
void tap_conn_run(struct tap *tap, struct tap_conn *conn);

/*
 * Ends it now: what the tap holds is dropped, what the kernel holds is still
 * delivered. To the peers a cut looks like a close, a reset like a crash.
 */
void tap_conn_cut(struct tap *tap, struct tap_conn *conn);
void tap_conn_reset(struct tap *tap, struct tap_conn *conn);

/* Frees the connections that were closed and are in no list any more. */
void tap_conn_bury(struct tap *tap);

#endif

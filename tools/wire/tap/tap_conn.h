/*
 * A connection through the tap: the socket that the client came by, the one to
 * the server, and the two flows between them.
 */
#ifndef TAP_CONN_H
#define TAP_CONN_H

#include "tap.h"
#include "tap_flow.h"

enum conn_state {
    CONN_CONNECTS, /* to the server */
    CONN_OPEN,
    CONN_RESETS, /* waits, shortly, for bytes to leave before the reset */
    CONN_CLOSED, /* and freed at the end of the round */
};

struct conn_end {
    struct watch watch;
    struct end end;
    struct conn *conn;
    char own[RECORD_NAME_MAX]; /* the tap's address here */
    char peer[RECORD_NAME_MAX];
};

struct conn {
    uint32_t number;
    enum conn_state state;
    struct conn_end ends[2]; /* the client's, the server's */
    struct flow flows[2]; /* up, down */
    uint64_t accepted_ns;
    uint64_t give_up_ns; /* connecting or resetting: when to stop trying */
    uint64_t wake_ns; /* 0: nothing to wait for but events */
    const char *by; /* who ended it first: "client", "server" or "tap"; NULL: nobody yet */
    struct conn *next; /* in tap->conns */
    struct conn *prev;
    struct conn *next_turn;
    struct conn *next_timed;
    bool in_turns;
    bool in_timed;
};

/*
 * A client came by fd: connects the socket server_fd to the server for it. Both
 * descriptors are the connection's, whatever happens. -1: it failed, and that has
 * been reported.
 */
int conn_open(struct tap *tap, int fd, const struct address *client, int server_fd);

/* Asks the loop to run the connection in this round; then does what can be done. */
void conn_turn(struct tap *tap, struct conn *conn);
void conn_run(struct tap *tap, struct conn *conn);

/*
 * Ends it now: what the tap holds is dropped, what the kernel holds is still
 * delivered. To the peers a cut looks like a close, a reset like a crash.
 */
void conn_cut(struct tap *tap, struct conn *conn);
void conn_reset(struct tap *tap, struct conn *conn);

/* Frees the connections that were closed and are in no list any more. */
void conn_bury(struct tap *tap);

#endif

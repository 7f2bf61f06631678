/*
 * The tap as its parts share it: what was asked for, the connections, and the
 * loop's lists. A watch is something the loop waits for; it is the first member
 * of what it belongs to.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "tap_address.h"
#include "tap_fault.h"
#include "tap_output.h"
#include "tap_tape.h"

struct tap;
struct conn;

struct watch {
    void (*ready)(struct tap *tap, struct watch *watch, uint32_t events);
};

struct listener {
    struct watch watch;
    int fd;
    int spare; /* a socket for the next connection to the server, made before accept(2); or -1 */
    struct stat id; /* of an ipc path */
    uint64_t retry_ns; /* out of descriptors: when to accept again; 0: accepting */
};

struct tap {
    struct address front; /* where clients come to */
    struct address back; /* the server */
    struct fault faults[2]; /* of connections to come: up, down */
    struct output output;
    struct tape tape;
    struct listener listener;
    int epoll;
    bool quit;
    uint64_t start_ns;

    struct conn *conns; /* all, the newest first */
    struct conn *turns; /* those to run in this round */
    struct conn *timed; /* those that may have a wake_ns */
    struct conn *buried; /* closed in this round */

    uint32_t accepted; /* numbers of connections */
    uint32_t open;
    uint32_t refused;
    uint64_t received[2]; /* bytes of the connections that are over: up, down */
    uint64_t passed[2];
};

/* Has the loop wait for events on fd, or for others. -1 and errno. */
int tap_watch(struct tap *tap, int fd, struct watch *watch, uint32_t events);
int tap_rewatch(struct tap *tap, int fd, struct watch *watch, uint32_t events);

/* Prints an error event. */
void tap_error(struct tap *tap, const char *what, int error);

#endif

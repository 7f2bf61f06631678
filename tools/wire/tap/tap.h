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

#include "sockaddr.h"
#include "tap_fault.h"
#include "tap_output.h"
#include "tap_tape.h"

struct tap;
struct tap_conn;

struct tap_watch {
    void (*ready)(struct tap *tap, struct tap_watch *watch, uint32_t events);
};

struct tap_listener {
    struct tap_watch watch;
    int fd;
    int spare; /* a socket for the next connection to the server, made before accept(2); or -1 */
    struct stat id; /* of an ipc path */
    int64_t retry_ns; /* out of descriptors: when to accept again; else CLOCK_NEVER */
};

struct tap {
    struct sockaddr_any front; /* where clients come to */
    struct sockaddr_any back; /* the server */
    struct tap_fault faults[2]; /* of connections to come: up, down */
    struct tap_output output;
    struct tap_tape tape;
    struct tap_listener listener;
    int epoll;
    bool quit;
    int64_t start_ns;

    struct tap_conn *conns; /* all, the newest first */
    struct tap_conn *turns; /* those to run in this round */
    struct tap_conn *timed; /* those that may have a wake_ns */
    struct tap_conn *buried; /* closed in this round */

    uint32_t accepted; /* numbers of connections */
    uint32_t open;
    uint32_t refused;
    uint64_t received[2]; /* bytes of the connections that are over: up, down */
    uint64_t passed[2];
};

/* The earlier of two times. */
static inline int64_t
tap_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Has the loop wait for events (epoll_ctl(2)) on fd, or for others. -1 and errno. */
int tap_watch(struct tap *tap, int fd, struct tap_watch *watch, uint32_t events);
int tap_rewatch(struct tap *tap, int fd, struct tap_watch *watch, uint32_t events);

/* Prints an error event: what failed, and the errno. */
void tap_error(struct tap *tap, const char *what, int error);

#endif

/*
 * One direction of one connection: what arrives at one end goes on to the other,
 * as the faults allow. The end of the stream is forwarded like its bytes: in
 * order, and no earlier than they.
 */
#ifndef TAP_FLOW_H
#define TAP_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "record.h"
#include "tap_fault.h"
#include "tap_queue.h"
#include "tap_tape.h"

/* One of a connection's two sockets. The flags outlive the events that set them. */
struct end {
    int fd;
    bool local; /* a UNIX socket */
    bool readable; /* as far as is known */
    bool writable;
    bool careful; /* a short read does not mean that there is no more */
    bool left; /* a UNIX peer closed: it will not read either */
    int error; /* the connection to this peer broke: errno */
};

enum flow_over {
    FLOW_RUNS,
    FLOW_SHUT, /* the source sends no more */
    FLOW_LEFT, /* nor does it read */
    FLOW_BROKE, /* reset */
};

struct flow {
    struct end *from;
    struct end *to;
    struct flow *back; /* the other direction */
    struct tape *tape;
    uint32_t conn;
    enum record_direction way;
    struct fault fault;
    struct pace pace;
    struct queue queue;
    uint64_t received; /* bytes */
    uint64_t passed;
    uint64_t writes; /* by which they went on */
    enum flow_over over; /* how the source ended; FLOW_RUNS: not yet */
    uint64_t over_due_ns; /* when the end may be passed on */
    bool done; /* it was */
    uint64_t wake_ns; /* when to run again if nothing happens; 0: never */
};

enum flow_result {
    FLOW_WAITS, /* for an event, or wake_ns */
    FLOW_AGAIN, /* there is more to do now; the turn is over */
    FLOW_ENDED, /* the source broke or left, and all it sent has gone on */
    FLOW_CUT, /* a fault is due */
    FLOW_RESET,
    FLOW_FAILED, /* no memory for bytes that were read already */
};

/* Forwards what can be now, at most a turn's worth. */
enum flow_result flow_run(struct flow *flow);

/* The source broke, as an error said; or it left (struct end). No bytes will go to it any more. */
void flow_broke(struct flow *flow, int error);
void flow_left(struct flow *flow);

/* Applies an order to the flow and to what it holds. */
void flow_order(struct flow *flow, const struct fault_order *order);

/* Bytes that all the queues together hold. */
uint64_t flow_held(void);

void flow_free(struct flow *flow);

#endif

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
struct tap_end {
    int fd;
    bool local; /* a UNIX socket */
    bool readable; /* as far as is known */
    bool writable;
    bool careful; /* a short read does not mean that there is no more */
    bool left; /* a UNIX peer closed: it will not read either */
    int error; /* the connection to this peer broke: errno */
};

enum tap_flow_over {
    TAP_FLOW_RUNS,
    TAP_FLOW_SHUT, /* the source sends no more */
    TAP_FLOW_LEFT, /* nor does it read */
    TAP_FLOW_BROKE, /* reset */
};

struct tap_flow {
    struct tap_end *from;
    struct tap_end *to;
    struct tap_flow *back; /* the other direction */
    struct tap_tape *tape;
    uint32_t conn;
    enum record_direction way;
    struct tap_fault fault;
    struct tap_pace pace;
    struct tap_queue queue;
    uint64_t received; /* bytes */
    uint64_t passed;
    uint64_t writes; /* by which they went on */
    enum tap_flow_over over; /* how the source ended; TAP_FLOW_RUNS: not yet */
    int64_t over_due_ns; /* when the end may be passed on */
    bool done; /* it was */
    int64_t wake_ns; /* when to run again if nothing happens; else CLOCK_NEVER */
};

enum tap_flow_result {
    TAP_FLOW_WAITS, /* for an event, or wake_ns */
    TAP_FLOW_AGAIN, /* there is more to do now; the turn is over */
    TAP_FLOW_ENDED, /* the source broke or left, and all it sent has gone on */
    TAP_FLOW_CUT, /* a fault is due */
    TAP_FLOW_RESET,
    TAP_FLOW_FAILED, /* no memory for bytes that were read already */
};

/* Forwards what can be now, at most a turn's worth. */
enum tap_flow_result tap_flow_run(struct tap_flow *flow);

/* The source broke, as an error said; or it left (struct tap_end). No bytes will go to it any more.
 */
void tap_flow_broke(struct tap_flow *flow, int error);
void tap_flow_left(struct tap_flow *flow);

/* Applies an order to the flow and to what it holds. */
void tap_flow_order(struct tap_flow *flow, const struct tap_fault_order *order);

void tap_flow_free(struct tap_flow *flow);

#endif

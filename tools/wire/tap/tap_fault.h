/*
 * What the tap does to one direction of a connection, and the words for it. The
 * options of the command line and the commands at run time are the same words,
 * read here once.
 */
#ifndef TAP_FAULT_H
#define TAP_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAP_FAULT_NEVER UINT64_MAX

struct tap_fault {
    int64_t delay_ns; /* of each byte */
    uint64_t rate; /* bytes per second; 0: any */
    uint64_t slice; /* bytes of one write; 0: any */
    uint64_t stall; /* these three: after so many bytes of the connection, */
    uint64_t cut; /* or TAP_FAULT_NEVER */
    uint64_t reset;
};

enum tap_fault_verb {
    TAP_FAULT_DELAY,
    TAP_FAULT_RATE,
    TAP_FAULT_SLICE,
    TAP_FAULT_STALL,
    TAP_FAULT_CUT,
    TAP_FAULT_RESET,
    TAP_FAULT_GO, /* ends a stall */
    TAP_FAULT_CLEAR, /* ends every fault; what is delayed goes on at once */
};

struct tap_fault_order {
    enum tap_fault_verb verb;
    bool way[2]; /* applies to up, to down */
    bool valued; /* a value was given: cut and reset without one mean now */
    uint64_t value; /* ns, bytes or bytes per second; TAP_FAULT_NEVER is "off" */
};

/*
 * Reads VERB [up|down] [VALUE], n words. Returns 1; 0 if the first word is no
 * fault's; -1 with a sentence in *why, valid until the next call.
 */
int tap_fault_parse(struct tap_fault_order *ret, char *const *words, size_t n, const char **why);

/* No fault at all. */
void tap_fault_init(struct tap_fault *fault);
bool tap_fault_none(const struct tap_fault *fault);

/* Applies an order to a direction through which passed bytes have gone. */
void tap_fault_apply(struct tap_fault *fault, const struct tap_fault_order *order, uint64_t passed);

/* Smooths a direction to a rate: at most 5 ms of it (or one byte) are made up for later. */
struct tap_pace {
    int64_t paid_ns; /* up to this time the rate has been used */
};

/*
 * How many of n bytes may go now. 0: none before *wake_ns. They go all n, or if
 * pieces are as good, a millisecond's worth at a time (or one byte), so that a
 * fast link is not cut to bits.
 */
size_t tap_pace_allow(
    struct tap_pace *pace, uint64_t rate, size_t n, bool pieces, int64_t now_ns, int64_t *wake_ns);
void tap_pace_spend(struct tap_pace *pace, uint64_t rate, size_t n);

#endif

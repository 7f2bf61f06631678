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

#define FAULT_NEVER UINT64_MAX

struct fault {
    uint64_t delay_ns;
    uint64_t jitter_ns; /* at most so much more delay, evenly distributed */
    uint64_t rate; /* bytes per second; 0: any */
    uint64_t slice; /* bytes of one write; 0: any */
    uint64_t stall; /* these three: after so many bytes of the connection, */
    uint64_t cut; /* or FAULT_NEVER */
    uint64_t reset;
};

enum fault_verb {
    FAULT_DELAY,
    FAULT_JITTER,
    FAULT_RATE,
    FAULT_SLICE,
    FAULT_STALL,
    FAULT_CUT,
    FAULT_RESET,
    FAULT_GO, /* ends a stall */
    FAULT_CLEAR, /* ends every fault; what is delayed goes on at once */
};

struct fault_order {
    enum fault_verb verb;
    bool way[2]; /* applies to up, to down */
    bool valued; /* a value was given: cut and reset without one mean now */
    uint64_t value; /* ns, bytes or bytes per second; FAULT_NEVER is "off" */
};

/*
 * Reads VERB [up|down|both] [VALUE], n words. Returns 1; 0 if the first word is no
 * fault's; -1 with a sentence in *why, valid until the next call.
 */
int fault_parse(struct fault_order *ret, char *const *words, size_t n, const char **why);

/* No fault at all. */
void fault_init(struct fault *fault);
bool fault_none(const struct fault *fault);

/* Applies an order to a direction through which passed bytes have gone. */
void fault_apply(struct fault *fault, const struct fault_order *order, uint64_t passed);

/* Smooths a direction to a rate: at most 5 ms of it (or one byte) are made up for later. */
struct pace {
    uint64_t paid_ns; /* up to this time the rate has been used */
};

/*
 * How many of n bytes may go now. 0: none before *wake_ns. They go all n, or if
 * pieces are as good, a millisecond's worth at a time (or one byte), so that a
 * fast link is not cut to bits.
 */
size_t pace_allow(
    struct pace *pace, uint64_t rate, size_t n, bool pieces, uint64_t now_ns, uint64_t *wake_ns);
void pace_spend(struct pace *pace, uint64_t rate, size_t n);

#endif

/* The last requests of a replier, to recognize one that arrives twice. */
#ifndef RECENT_H
#define RECENT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RECENT_MAX = 1024, /* requests remembered; a power of two */
};

/* All zero is an empty one. */
struct recent {
    struct recent_entry {
        uint64_t sequence;
        uint64_t sent;
        uint16_t next; /* in its chain: index + 1, 0 ends it */
    } entries[RECENT_MAX];
    uint16_t chains[RECENT_MAX]; /* by hash: index + 1 of the newest, or 0 */
    uint64_t count; /* ever added */
};

/*
 * Adds a request. Returns whether one with the same sequence *and* the same
 * time was among the last RECENT_MAX.
 */
bool recent_add(struct recent *recent, uint64_t sequence, uint64_t sent);

#endif

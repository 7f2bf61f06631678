/* The last sequence and time of each topic. */
#ifndef TOPICS_H
#define TOPICS_H

#include "message.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TOPICS_MAX = 4096,
    TOPICS_SLOTS = 2 * TOPICS_MAX, /* slots of the hash table; a power of two */
};

/*
 * `sent` does not stand beside `sequence`, as it does in a message: gcc would
 * copy both from there in one read, which has to wait for the two writes that
 * have just made them. That took a quarter of what a subscriber does
 * (measured).
 */
struct topic {
    uint64_t sequence; /* of the last message; 0: none yet */
    uint8_t len;
    char name[MESSAGE_TOPIC_MAX];
    uint64_t sent; /* that message's time */
};

/* All zero is an empty one. Large: not for the stack. */
struct topics {
    unsigned count;
    uint16_t slots[TOPICS_SLOTS]; /* index of the topic + 1, 0 if free */
    struct topic topics[TOPICS_MAX];
};

/*
 * Finds a topic or adds it. The pointer stays valid. NULL: the topic is new and
 * the table is full.
 */
struct topic *topics_find(struct topics *topics, const char *name, size_t len);

#endif

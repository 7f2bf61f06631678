/* What a subscriber is subscribed to. */
#ifndef PREFIXES_H
#define PREFIXES_H

#include <stdbool.h>
#include <stddef.h>

enum {
    PREFIX_MAX = 1024, /* bytes of a prefix; a topic has 255 */
    PREFIXES_MAX = 4096, /* of one subscriber */
};

struct prefix {
    struct prefix *next;
    size_t len;
    unsigned char bytes[];
};

/* A set: what is added twice is there once. All zero is an empty one. */
struct prefixes {
    struct prefix *first;
    size_t count;
    bool all; /* the empty one is among them */
};

/* EMSGSIZE: longer than PREFIX_MAX; ENOBUFS: too many; ENOMEM. */
int prefixes_add(struct prefixes *prefixes, const void *data, size_t len);

/* False: it was not there. */
bool prefixes_remove(struct prefixes *prefixes, const void *data, size_t len);

/* Whether data begins with one of them. */
bool prefixes_match(
    const struct prefixes *prefixes, const void *data, size_t len);

void prefixes_clear(struct prefixes *prefixes);

#endif

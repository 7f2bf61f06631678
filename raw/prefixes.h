/* The set of prefixes that a subscriber asks for. */
#ifndef PREFIXES_H
#define PREFIXES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

enum {
    PREFIX_MAX = 1024, /* bytes of a prefix; a topic has at most 255 */
    PREFIXES_MAX = 4096, /* prefixes of one subscriber */
};

struct prefix {
    struct prefix *side[2]; /* by the bit behind the node's own */
    struct prefix *up;
    LIST_ENTRY(prefix) all;
    size_t bits;
    bool fork; /* not in the set */
    unsigned char bytes[];
};

LIST_HEAD(prefix_list, prefix);

/* A prefix added twice is in the set once. All zero is an empty set. */
struct prefixes {
    struct prefix *root;
    struct prefix_list nodes; /* the prefixes, and forks between them */
    size_t count; /* prefixes */
    bool all; /* the empty prefix, which matches everything, is in the set */
};

/* EMSGSIZE: longer than PREFIX_MAX; ENOBUFS: the set is full; ENOMEM. */
int prefixes_add(struct prefixes *prefixes, const void *data, size_t len);

/* Returns false if the prefix was not in the set. */
bool prefixes_remove(struct prefixes *prefixes, const void *data, size_t len);

/* Whether data begins with one of the prefixes. */
bool prefixes_match(
    const struct prefixes *prefixes, const void *data, size_t len);

void prefixes_clear(struct prefixes *prefixes);

#endif

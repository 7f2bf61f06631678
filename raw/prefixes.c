/*
 * A subscriber's prefixes are a binary trie with compressed chains, as in a
 * router's table of addresses. A node stands for a string of bits. All nodes
 * below it begin with these bits, and the next bit says on which side they are.
 * Where two prefixes part, a node that is no prefix itself, a fork, joins them:
 *
 *                 011000 (fork)
 *               0 /          \ 1
 *         01100001 "a"    01100010 "b"
 *
 * A search looks at each bit of its string once, however many prefixes there
 * are. Each fork has two nodes below it: there are fewer forks than prefixes.
 */
#include "prefixes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
bit(const unsigned char *data, size_t i)
{
    return data[i / 8] >> (7 - i % 8) & 1;
}

/* The number of equal bits, of which the first `equal` are known to be. */
static size_t
compare(const struct prefix *node, const unsigned char *data, size_t n,
    size_t equal)
{
    size_t most = node->bits < n ? node->bits : n;
    while (equal < most) {
        if (equal % 8 == 0 && most - equal >= 8 &&
            node->bytes[equal / 8] == data[equal / 8])
            equal += 8;
        else if (bit(node->bytes, equal) == bit(data, equal))
            equal++;
        else
            break;
    }
    return equal;
}

/* Where a search ended: at the first node with other bits, or with as many. */
struct place {
    struct prefix **link; /* to that node, or empty */
    struct prefix *up; /* the node above */
    size_t equal; /* bits */
};

static struct place
find(struct prefixes *prefixes, const unsigned char *data, size_t n)
{
    struct place at = {.link = &prefixes->root};
    while (*at.link) {
        at.equal = compare(*at.link, data, n, at.equal);
        if (at.equal < (*at.link)->bits || at.equal == n)
            break;
        at.up = *at.link;
        at.link = &at.up->side[bit(data, at.equal)];
    }
    return at;
}

/* Puts a new node at a place, above the node that is there. NULL: ENOMEM. */
static struct prefix *
insert(struct prefixes *prefixes, struct place at, const void *data, size_t n)
{
    struct prefix *old = *at.link;
    struct prefix *node = calloc(1, sizeof(*node) + n / 8 + 1);
    if (!node)
        return NULL;
    memcpy(node->bytes, data, (n + 7) / 8);
    node->bits = n;
    node->up = at.up;
    if (old) {
        node->side[bit(old->bytes, n)] = old;
        old->up = node;
    }
    *at.link = node;
    LIST_INSERT_HEAD(&prefixes->nodes, node, all);
    return node;
}

/* Frees what is no prefix and joins nothing, from a node upwards. */
static void
prune(struct prefixes *prefixes, struct prefix *node)
{
    while (node && node->fork && !(node->side[0] && node->side[1])) {
        struct prefix *up = node->up;
        struct prefix *below = node->side[node->side[0] == NULL];
        if (below)
            below->up = up;
        *(up ? &up->side[up->side[1] == node] : &prefixes->root) = below;
        LIST_REMOVE(node, all);
        free(node);
        node = up;
    }
}

int
prefixes_add(struct prefixes *prefixes, const void *data, size_t len)
{
    if (len > PREFIX_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    struct place at = find(prefixes, data, 8 * len);
    struct prefix *node = *at.link;
    bool there = node && at.equal == 8 * len && node->bits == 8 * len;
    if (there && !node->fork)
        return 0;
    if (prefixes->count == PREFIXES_MAX) {
        errno = ENOBUFS;
        return -1;
    }
    if (node && at.equal < 8 * len) { /* they part: in a fork */
        struct prefix *fork = insert(prefixes, at, data, at.equal);
        if (!fork)
            return -1;
        fork->fork = true;
        at = find(prefixes, data, 8 * len);
    }
    if (!there && !(node = insert(prefixes, at, data, 8 * len))) {
        prune(prefixes, at.up);
        return -1;
    }
    node->fork = false;
    prefixes->count++;
    prefixes->all = prefixes->all || len == 0;
    return 0;
}

bool
prefixes_remove(struct prefixes *prefixes, const void *data, size_t len)
{
    struct place at = find(prefixes, data, 8 * len);
    struct prefix *node = *at.link;
    if (!node || node->fork || at.equal != 8 * len || node->bits != 8 * len)
        return false;
    node->fork = true;
    prune(prefixes, node);
    prefixes->count--;
    prefixes->all = prefixes->all && len > 0;
    return true;
}

bool
prefixes_match(const struct prefixes *prefixes, const void *data, size_t len)
{
    const struct prefix *node = prefixes->root;
    size_t equal = 0;
    while (
        node && (equal = compare(node, data, 8 * len, equal)) == node->bits) {
        if (!node->fork)
            return true;
        node = equal < 8 * len ? node->side[bit(data, equal)] : NULL;
    }
    return false;
}

void
prefixes_clear(struct prefixes *prefixes)
{
    struct prefix *node;
    while ((node = LIST_FIRST(&prefixes->nodes))) {
        LIST_REMOVE(node, all);
        free(node);
    }
    *prefixes = (struct prefixes){0};
}

/*
 * A subscriber's prefixes are a linked list, the newest first. That is enough
 * for a handful; ZeroMQ, which is made for many, uses a trie.
 */
#include "prefixes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The link that points to the prefix, or the one that ends the list. */
static struct prefix **
find(struct prefixes *prefixes, const void *data, size_t len)
{
    struct prefix **link = &prefixes->first;
    while (*link &&
        ((*link)->len != len || memcmp((*link)->bytes, data, len) != 0))
        link = &(*link)->next;
    return link;
}

int
prefixes_add(struct prefixes *prefixes, const void *data, size_t len)
{
    if (len > PREFIX_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    if (*find(prefixes, data, len))
        return 0;
    if (prefixes->count == PREFIXES_MAX) {
        errno = ENOBUFS;
        return -1;
    }
    struct prefix *prefix = malloc(sizeof(*prefix) + len);
    if (!prefix)
        return -1;
    memcpy(prefix->bytes, data, len);
    prefix->len = len;
    prefix->next = prefixes->first;
    prefixes->first = prefix;
    prefixes->count++;
    prefixes->all = prefixes->all || len == 0;
    return 0;
}

bool
prefixes_remove(struct prefixes *prefixes, const void *data, size_t len)
{
    struct prefix **link = find(prefixes, data, len);
    struct prefix *prefix = *link;
    if (!prefix)
        return false;
    *link = prefix->next;
    prefixes->count--;
    prefixes->all = prefixes->all && len > 0;
    free(prefix);
    return true;
}

bool
prefixes_match(const struct prefixes *prefixes, const void *data, size_t len)
{
    bool found = prefixes->all;
    for (const struct prefix *p = prefixes->first; p && !found; p = p->next)
        found = p->len <= len && memcmp(p->bytes, data, p->len) == 0;
    return found;
}

void
prefixes_clear(struct prefixes *prefixes)
{
    struct prefix *prefix;
    while ((prefix = prefixes->first)) {
        prefixes->first = prefix->next;
        free(prefix);
    }
    *prefixes = (struct prefixes){0};
}

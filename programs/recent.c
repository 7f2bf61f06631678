/*
 * A ring of the last requests, with a hash table over it, so that a look-up
 * does not depend on their number. New entries go to the front of their chain,
 * so the oldest entry is the last of its chain and is removed from the end.
 */
#include "recent.h"

static unsigned
hash(uint64_t sequence, uint64_t sent)
{
    /* Knuth's multiplicative hashing, of which the high bits are the best. */
    uint64_t mixed =
        (sequence ^ (sent << 20 | sent >> 44)) * UINT64_C(0x9E3779B97F4A7C15);
    return (unsigned)(mixed >> 40) % RECENT_MAX;
}

static void
forget(struct recent *recent, unsigned index)
{
    struct recent_entry *entry = &recent->entries[index];
    uint16_t *link = &recent->chains[hash(entry->sequence, entry->sent)];
    while (*link != index + 1)
        link = &recent->entries[*link - 1].next;
    *link = entry->next;
}

bool
recent_add(struct recent *recent, uint64_t sequence, uint64_t sent)
{
    uint16_t *chain = &recent->chains[hash(sequence, sent)];
    bool seen = false;
    for (unsigned i = *chain; i != 0 && !seen; i = recent->entries[i - 1].next)
        seen = recent->entries[i - 1].sequence == sequence &&
            recent->entries[i - 1].sent == sent;

    unsigned index = recent->count % RECENT_MAX;
    if (recent->count >= RECENT_MAX)
        forget(recent, index);
    recent->entries[index] = (struct recent_entry){
        .sequence = sequence,
        .sent = sent,
        .next = *chain,
    };
    *chain = (uint16_t)(index + 1);
    recent->count++;
    return seen;
}

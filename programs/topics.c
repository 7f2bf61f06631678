/*
 * A hash table with open addressing, in fixed memory. Topics are never removed.
 * At least half of the slots stay free, so that a search ends soon.
 */
#include "topics.h"

#include <string.h>

/* FNV-1a, which is good for short names. */
static uint32_t
hash(const char *name, size_t len)
{
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < len; i++)
        value = (value ^ (unsigned char)name[i]) * 16777619u;
    return value;
}

struct topic *
topics_find(struct topics *topics, const char *name, size_t len)
{
    unsigned slot = hash(name, len) % TOPICS_SLOTS;
    for (; topics->slots[slot] != 0; slot = (slot + 1) % TOPICS_SLOTS) {
        struct topic *topic = &topics->topics[topics->slots[slot] - 1];
        if (topic->len == len &&
            (len == 0 || memcmp(topic->name, name, len) == 0))
            return topic;
    }
    if (topics->count == TOPICS_MAX || len > MESSAGE_TOPIC_MAX)
        return NULL;
    struct topic *topic = &topics->topics[topics->count++];
    topics->slots[slot] = (uint16_t)topics->count;
    topic->len = (uint8_t)len;
    memcpy(topic->name, name, len);
    return topic;
}

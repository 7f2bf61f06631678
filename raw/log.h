/*
 * The publisher's log: the messages published last, once for all subscribers.
 * They are frames in a ring of bytes. Each has a number, which counts up from 0
 * and is never used again; a subscriber holds a cursor, the number of the next
 * message that it is to get.
 *
 *     forgotten | kept                                      | not yet published
 *     ----------+------+------+------+------+------+--------+---------------
 *               |  41  |  42  |  43  |  44  |  45  |   46   |
 *     ----------+------+------+------+------+------+--------+---------------
 *        ^      ^             ^                             ^
 *        |      first         cursor of a                   end; cursor of a
 *        |                    slower subscriber             subscriber that has
 *        cursor of one that lost messages:                  everything
 *        it jumps to first
 *
 * A write may stop inside a message. If the log forgets that message before its
 * subscriber has the rest, it keeps a copy, one for all who have a part of it.
 * Of these copies the log lets the oldest go when all together would be longer
 * than LOG_BYTES_MAX: whoever had a part of it cannot go on.
 */
#ifndef LOG_H
#define LOG_H

#include "prefixes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

enum {
    LOG_BYTES_MIN = 1 << 20, /* the ring's first size: it holds four batches,
                                and fits in a cache */
    LOG_BYTES_MAX = 64 << 20, /* the ring's largest size, and the copies' */
};

/* Where a message's frame lies in the ring. */
struct record {
    uint32_t at;
    uint32_t len;
    uint32_t holders; /* subscribers that have a part of it */
};

/* A message that the log has forgotten, and some subscriber has a part of. */
struct copy {
    STAILQ_ENTRY(copy) all;
    uint64_t number;
    uint32_t len;
    uint32_t holders;
    unsigned char frame[];
};

STAILQ_HEAD(copies, copy);

/* How far a subscriber has got. */
struct cursor {
    uint64_t next; /* number of the next message that it is to get */
    uint64_t begun; /* number of the message that it has a part of: */
    size_t sent; /* the first bytes of its frame; 0: there is none */
};

struct log {
    unsigned char *bytes;
    size_t size;
    size_t head; /* where the next frame goes, if it fits behind it */
    struct record *records; /* record n is at n & (records_size - 1) */
    size_t records_size; /* a power of two */
    uint64_t queue; /* the largest number of messages kept */
    uint64_t first; /* number of the oldest message kept */
    uint64_t end; /* number of the next one */
    struct copies copies; /* the oldest first */
    size_t copied; /* bytes of them all */
    uint64_t gone; /* of older messages nobody can get the rest any more */
};

/* ENOMEM. */
int log_open(struct log *ret, uint64_t queue);

/*
 * Appends a message as a frame. To make room it forgets the oldest messages:
 * those before number `needed` at once, later ones only if the log holds
 * `queue` messages or has grown to LOG_BYTES_MAX. EMSGSIZE: the frame is longer
 * than LOG_BYTES_MAX; ENOMEM.
 */
int log_append(struct log *log, const void *data, size_t len, uint64_t needed);

/*
 * Collects the rest of the message that the subscriber has a part of, and the
 * frames from cursor->next on that match a prefix. Adjacent frames make one
 * piece. It stops at iov_max pieces, or after the frame that reaches bytes_max
 * bytes. A cursor before the oldest message jumps to it first. Sets *next to
 * the first message not examined. Returns the number of pieces.
 */
int log_collect(const struct log *log, const struct cursor *cursor,
    const struct prefixes *prefixes, struct iovec *iov, int iov_max,
    size_t bytes_max, uint64_t *next);

/*
 * Moves the cursor over the first `sent` bytes of what log_collect() returned
 * for it: over a part, if they are not all. The rest of the message at which
 * they end stays in the log.
 */
void log_move(struct log *log, struct cursor *cursor,
    const struct prefixes *prefixes, size_t sent);

/* Ends what the cursor holds: nobody is to get the rest of that message. */
void log_release(struct log *log, struct cursor *cursor);

/* Whether the log has let go the message that the subscriber has a part of. */
bool log_has_lost(const struct log *log, const struct cursor *cursor);

void log_close(struct log *log);

#endif

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
 */
#ifndef LOG_H
#define LOG_H

#include "prefixes.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    LOG_BYTES_MIN = 256 << 10, /* the ring's first size: it fits in a cache */
    LOG_BYTES_MAX = 64 << 20, /* the ring's largest size */
};

/* Where a message's frame lies in the ring. */
struct record {
    size_t at;
    size_t len;
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
 * Collects the frames from *cursor on that match a prefix. Adjacent frames make
 * one piece. It stops at iov_max pieces, or after the frame that reaches
 * bytes_max bytes. A cursor before the oldest message jumps to it first. Sets
 * *cursor to the first message not examined. Returns the number of pieces.
 */
int log_collect(const struct log *log, uint64_t *cursor,
    const struct prefixes *prefixes, struct iovec *iov, int iov_max,
    size_t bytes_max);

/*
 * For a write that took only the first `sent` bytes of what log_collect()
 * returned for this cursor: returns the unsent rest of the frame at which it
 * stopped, which is the whole frame if it stopped between two. Sets *cursor to
 * the message after that frame.
 */
struct iovec log_resume(const struct log *log, uint64_t *cursor,
    const struct prefixes *prefixes, size_t sent);

void log_close(struct log *log);

#endif

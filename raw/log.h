/*
 * What was published last, once for all subscribers: frames in a ring of bytes,
 * each with a number. A subscriber needs no queue of its own but a cursor, the
 * number of the next message that it is to have.
 */
#ifndef LOG_H
#define LOG_H

#include "prefixes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    LOG_BYTES_MIN = 256 << 10, /* of the ring, at first: a cache holds it */
    LOG_BYTES_MAX = 64 << 20, /* of the ring, at most */
};

/* A message in the ring: its frame. */
struct record {
    size_t at;
    size_t len;
};

struct log {
    unsigned char *bytes;
    size_t size;
    size_t head; /* where the next frame goes, if it fits there */
    struct record *records; /* record n is at n & (records_size - 1) */
    size_t records_size; /* a power of two */
    uint64_t queue; /* messages kept, at most */
    uint64_t first; /* number of the oldest message kept */
    uint64_t end; /* number of the next one */
};

/* ENOMEM. */
int log_open(struct log *ret, uint64_t queue);

/*
 * Adds a message, as a frame. To make room the oldest are forgotten, but from
 * number `needed` on only when there are `queue` of them, or LOG_BYTES_MAX.
 * EMSGSIZE: longer than that; ENOMEM.
 */
int log_append(struct log *log, const void *data, size_t len, uint64_t needed);

/*
 * Collects the frames from *cursor on that are wanted, adjacent ones in one
 * piece: at most iov_max pieces, and not many more than bytes_max bytes. A
 * cursor that was overtaken first jumps to the oldest message. *cursor is then
 * the first message not looked at. Returns the number of pieces.
 */
int log_collect(const struct log *log, uint64_t *cursor,
    const struct prefixes *prefixes, struct iovec *iov, int iov_max,
    size_t bytes_max);

/*
 * After only `sent` bytes of what log_collect() gave for that cursor have gone:
 * returns what is left of the frame that they end in, or of the one that they
 * end before. *cursor is then the message after it.
 */
struct iovec log_resume(const struct log *log, uint64_t *cursor,
    const struct prefixes *prefixes, size_t sent);

void log_close(struct log *log);

#endif

/*
 * Raw's framing: a stream has no messages, so each one travels behind its
 * length.
 *
 *     request/reply        length u32 | request id u32 | message
 *     publisher's          length u32 | message
 *     subscriber's         length u32 | 01 prefix, or 00 prefix to unsubscribe
 *
 * Big-endian; the length counts all that follows it.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    FRAME_LENGTH = 4, /* bytes of the length */
    FRAME_ID = 4, /* bytes of the request id */
    FRAME_HEAD_MAX = FRAME_LENGTH + FRAME_ID,
};

/* What a stream's frames look like, and how long they may be. */
struct framing {
    bool ids; /* request/reply */
    size_t max; /* bytes of a message */
};

struct frame {
    uint32_t id; /* request/reply only, else 0 */
    const unsigned char *data; /* the message: points into the stream's bytes */
    size_t len;
};

/* Writes what stands before a message of len bytes; returns its length: at most
 * FRAME_HEAD_MAX, FRAME_LENGTH without ids. */
size_t frame_head(unsigned char *buf, bool ids, uint32_t id, size_t len);

/*
 * Looks for a frame at the beginning of a stream's bytes. Returns its length,
 * head included; 0: it has not all come yet, and *ret is untouched; -1 and
 * EMSGSIZE: it is longer than framing->max, and *ret has its id and length, but
 * data NULL; or EBADMSG: its length does not even cover the request id. Never
 * reads past the end.
 */
ssize_t frame_read(struct frame *ret, const struct framing *framing,
    const unsigned char *data, size_t len);

#endif

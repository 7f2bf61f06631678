/*
 * Raw's framing. A stream has no message boundaries, so the length of each
 * message is sent before it:
 *
 *     request, reply       length u32 | request id u32 | message
 *     from a publisher     length u32 | message
 *     from a subscriber    length u32 | 01 | prefix      (00 to unsubscribe)
 *
 * Integers are big-endian. The length counts everything behind it.
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

/* The form of a stream's frames, and their limit. */
struct framing {
    bool ids; /* frames carry a request id */
    size_t max; /* bytes of the longest message */
};

struct frame {
    uint32_t id; /* request/reply only, else 0 */
    const unsigned char *data; /* the message, inside the stream's bytes */
    size_t len;
};

/*
 * Writes the head of a frame whose message has len bytes. Returns the head's
 * length: FRAME_HEAD_MAX with ids, FRAME_LENGTH without.
 */
size_t frame_head(unsigned char *buf, bool ids, uint32_t id, size_t len);

/*
 * Reads the frame at the beginning of a stream's bytes. Returns its length,
 * head included. 0: the frame is incomplete, and *ret is untouched. -1 and
 * EMSGSIZE: the message is longer than framing->max; *ret holds its id and
 * length, and data is NULL. -1 and EBADMSG: the length does not cover the
 * request id. Never reads past len bytes.
 */
ssize_t frame_read(struct frame *ret, const struct framing *framing,
    const unsigned char *data, size_t len);

#endif

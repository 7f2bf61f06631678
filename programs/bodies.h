/* Where the bodies of requests and events come from. */
#ifndef BODIES_H
#define BODIES_H

#include "message.h"
#include "options.h"

#include <stddef.h>
#include <stdint.h>

/*
 * A body, with room for a message's head in front of it, so that a message is
 * made without copying its body.
 */
struct body {
    unsigned char *data; /* MESSAGE_HEAD_MAX bytes may be written before it */
    size_t len;
};

struct bodies {
    const struct options *options;
    struct body *texts; /* one a TEXT; the memory begins HEAD_MAX before data */
    struct body series; /* -s: byte i is i & 255, 255 more than a body needs */
    struct body line; /* of standard input */
    size_t line_size;
    int (*wait)(void *owner); /* before standard input is read; NULL: nothing */
    void *owner;
    size_t in_at; /* bytes of standard input read and not used: in_at..in_end */
    size_t in_end;
    unsigned char in[4096];
    size_t next; /* text */
    size_t at; /* where in the series the last body began */
};

/* ENOMEM. bodies_close() is due in any case, and accepts all zero. */
int bodies_open(struct bodies *ret, const struct options *options);

/*
 * Has wait(owner) called before standard input is read: it returns once there
 * is something to read, or -1 and errno, which bodies_next() then returns.
 */
void bodies_wait(struct bodies *bodies, int (*wait)(void *owner), void *owner);

/*
 * Makes the next body message->body, for the message of that sequence; it is
 * valid until the next call. 1: there is one; 0: there are no more; -1 and
 * EMSGSIZE: a line was too long and was skipped, or EINTR, EIO, ENOMEM.
 *
 * With options->lines it waits for standard input.
 */
int bodies_next(struct bodies *bodies, struct message *message);

/*
 * Writes the head of a message in front of its body, and returns the whole. The
 * body is the one that bodies_next() gave last, in whose memory that is. Valid
 * until the next call of it.
 */
const void *bodies_encode(const struct message *message, size_t *len);

void bodies_close(struct bodies *bodies);

#endif

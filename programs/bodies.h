/* The bodies of requests and events, one after the other. */
#ifndef BODIES_H
#define BODIES_H

#include "message.h"
#include "options.h"

#include <stddef.h>
#include <stdint.h>

/*
 * A body, with room for a message's head in front of it, so that encoding a
 * message does not copy its body.
 */
struct body {
    unsigned char *data; /* MESSAGE_HEAD_MAX bytes may be written before it */
    size_t len;
};

struct bodies {
    const struct options *options;
    struct body *texts; /* one for each TEXT of the command line */
    struct body
        series; /* -s: byte i is i & 255; 255 bytes longer than a body */
    struct body line; /* the last one read from standard input */
    size_t line_size;
    int (*wait)(void *owner); /* see bodies_wait(); may be NULL */
    void *owner;
    size_t in_at; /* in[in_at..in_end): read from standard input, not used */
    size_t in_end;
    unsigned char in[4096];
    size_t next; /* index of the next text */
    size_t at; /* where the last body began in the series */
};

/* ENOMEM. bodies_close() must be called even then; it accepts all zero. */
int bodies_open(struct bodies *ret, const struct options *options);

/*
 * Makes bodies_next() call wait(owner) before it reads standard input. wait()
 * returns 0 when there is something to read; if it returns -1, bodies_next()
 * returns -1 with the same errno.
 */
void bodies_wait(struct bodies *bodies, int (*wait)(void *owner), void *owner);

/*
 * Sets message->body and body_len to the next body, which is valid until the
 * next call; a body of -s depends on message->sequence. 1: there is one; 0: no
 * more; -1 and EMSGSIZE: a line was too long and was skipped; or EINTR, EIO,
 * ENOMEM. With options->lines it waits for standard input.
 */
int bodies_next(struct bodies *bodies, struct message *message);

/*
 * Writes the head of a message in front of its body, which must be the one that
 * bodies_next() returned last. Returns the whole message, valid until the next
 * bodies_next().
 */
const void *bodies_encode(const struct message *message, size_t *len);

void bodies_close(struct bodies *bodies);

#endif

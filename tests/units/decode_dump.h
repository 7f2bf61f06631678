/*
 * For tests of the decoder: what it says of some bytes, as one text, with the
 * bytes fed in pieces; and what must hold of every element whatever the bytes.
 */
#ifndef DECODE_DUMP_H
#define DECODE_DUMP_H

#include <stddef.h>
#include <stdint.h>

#include "decode.h"

struct dump {
    uint64_t hash; /* of all that was said */
    uint64_t bytes; /* that the elements cover */
    uint64_t elements;
    uint64_t unknown; /* bytes not understood */
    const char *wrong; /* the first thing that must not be; NULL if all is well */
    char *text; /* where "field length\n" of each is appended; NULL: nowhere */
    size_t text_size;
    size_t show;
};

/* Feeds len bytes in pieces whose sizes come from seed: 0 is all at once, 1 byte by byte. */
void dump_feed(struct dump *dump, const struct decode_options *options, const void *data,
    size_t len, uint32_t seed);

#endif

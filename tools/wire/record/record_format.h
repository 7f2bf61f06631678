/*
 * What the writer and the reader of recordings share: the sizes, and
 * what each type of record demands. README.md is the text to it.
 */
#ifndef RECORD_FORMAT_H
#define RECORD_FORMAT_H

#include "record.h"

#include <stdbool.h>

enum {
    RECORD_FILE_HEAD = 32,
    RECORD_HEAD = 20,
    RECORD_VERSION = 1,
    RECORD_TEXT_MAX = 4096, /* bytes of a note */
};

#define RECORD_MAGIC "\x89TAP\r\n\x1a\n"

/* What the type demands of the rest; the same for writing and reading. */
static inline bool
record_valid(unsigned type, unsigned direction, size_t len)
{
    switch (type) {
    case RECORD_DATA:
        return direction <= 1 && len > 0 && len <= RECORD_DATA_MAX;
    case RECORD_PASS:
        return direction <= 1 && len == 8;
    case RECORD_SHUT:
    case RECORD_RESET:
        return direction <= 1 && len == 0;
    case RECORD_OPEN:
        return direction == 0 && len >= 4 && len <= 4 * RECORD_NAME_MAX;
    case RECORD_CLOSE:
    case RECORD_NOTE:
        return direction == 0 && len <= RECORD_TEXT_MAX;
    case RECORD_END:
        return direction == 0 && len == 0;
    default:
        return false;
    }
}

#endif

/*
 * The tap's recording, if one was asked for: record.h with the time put in, and
 * with failures reported once instead of returned. Without a recording every
 * call does nothing.
 */
#ifndef TAP_TAPE_H
#define TAP_TAPE_H

#include "record.h"
#include "tap_output.h"

struct tape {
    struct record_writer *writer; /* NULL: not recording */
    struct output *output; /* where failures are told */
    const char *path;
    uint64_t due_ns; /* when what is buffered must be written; 0: nothing is */
    bool failed;
};

/* -1 and errno: the file cannot be written. The path is kept, not copied. */
int tape_open(struct tape *tape, const char *path, struct output *output);

void tape_opened(struct tape *tape, uint32_t conn, const struct record_names *names);
void tape_data(
    struct tape *tape, uint32_t conn, enum record_direction way, const void *data, size_t len);
void tape_pass(struct tape *tape, uint32_t conn, enum record_direction way, size_t n);

/* A record that has no direction (RECORD_UP then) or no text (NULL). */
void tape_mark(struct tape *tape, enum record_type type, uint32_t conn, enum record_direction way,
    const char *text);

void tape_flush(struct tape *tape);

/* Completes the recording. */
void tape_finish(struct tape *tape);

#endif

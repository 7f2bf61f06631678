/*
 * The tap's recording, if one was asked for: record.h with the time put in, and
 * with failures reported once instead of returned. Without a recording every
 * call does nothing.
 */
#ifndef TAP_TAPE_H
#define TAP_TAPE_H

#include "record.h"
#include "tap_output.h"

struct tap_tape {
    struct record_writer *writer; /* NULL: not recording */
    struct tap_output *output; /* where failures are told */
    const char *path;
    int64_t due_ns; /* when what is buffered must be written; CLOCK_NEVER: nothing is */
    bool failed;
};

/* -1 and errno: the file cannot be written. The path is kept, not copied. */
int tap_tape_open(struct tap_tape *tape, const char *path, struct tap_output *output);

void tap_tape_opened(struct tap_tape *tape, uint32_t conn, const struct record_names *names);
void tap_tape_data(
    struct tap_tape *tape, uint32_t conn, enum record_direction way, const void *data, size_t len);
void tap_tape_pass(struct tap_tape *tape, uint32_t conn, enum record_direction way, size_t n);

/* A record that has no direction (RECORD_UP then) or no text (NULL). */
void tap_tape_mark(struct tap_tape *tape, enum record_type type, uint32_t conn,
    enum record_direction way, const char *text);

void tap_tape_flush(struct tap_tape *tape);

/* Completes the recording. */
void tap_tape_finish(struct tap_tape *tape);

#endif

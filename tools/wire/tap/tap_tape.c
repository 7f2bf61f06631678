/*
 * The recording as the tap uses it. A recording that fails (a full disk) ends
 * there: that is reported, the forwarding goes on, and the tap's exit status
 * tells it again.
 */
#include "tap_tape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#define TAPE_KEPT_NS (100 * CLOCK_MS) /* how long bytes may stay in the buffer */

int
tap_tape_open(struct tap_tape *tape, const char *path, struct tap_output *output)
{
    *tape = (struct tap_tape){
        .output = output,
        .path = path,
        .due_ns = CLOCK_NEVER,
    };
    return record_create(&tape->writer, path);
}

static void
tap_tape_fail(struct tap_tape *tape)
{
    char text[256];
    (void)snprintf(
        text, sizeof(text), "%s: %s; the recording ends here", tape->path, strerror(errno));
    tap_output_begin(tape->output, "error");
    tap_output_text(tape->output, "text", text);
    tap_output_end(tape->output);
    (void)fprintf(stderr, "tap: %s\n", text);
    (void)record_finish(tape->writer); /* fails for the same reason */
    tape->writer = NULL;
    tape->due_ns = CLOCK_NEVER;
    tape->failed = true;
}

/* After each record: a failure is told, and a full buffer's first byte has a time limit. */
static void
tap_tape_check(struct tap_tape *tape, int error)
{
    if (error < 0)
        tap_tape_fail(tape);
    else if (record_pending(tape->writer) == 0)
        tape->due_ns = CLOCK_NEVER;
    else if (tape->due_ns == CLOCK_NEVER)
        tape->due_ns = clock_now() + TAPE_KEPT_NS;
}

void
tap_tape_opened(struct tap_tape *tape, uint32_t conn, const struct record_names *names)
{
    struct record record = {.conn = conn, .time_ns = (uint64_t)clock_now()};
    if (tape->writer)
        tap_tape_check(tape, record_write_open(tape->writer, record, names));
}

void
tap_tape_data(
    struct tap_tape *tape, uint32_t conn, enum record_direction way, const void *data, size_t len)
{
    struct record record = {.type = RECORD_DATA, .direction = way, .conn = conn, .data = data};
    if (!tape->writer)
        return;
    record.len = len;
    record.time_ns = (uint64_t)clock_now();
    tap_tape_check(tape, record_write(tape->writer, &record));
}

void
tap_tape_pass(struct tap_tape *tape, uint32_t conn, enum record_direction way, size_t n)
{
    struct record record = {.direction = way, .conn = conn};
    if (!tape->writer)
        return;
    record.time_ns = (uint64_t)clock_now();
    tap_tape_check(tape, record_write_pass(tape->writer, record, n));
}

void
tap_tape_mark(struct tap_tape *tape, enum record_type type, uint32_t conn,
    enum record_direction way, const char *text)
{
    struct record record = {.type = type, .direction = way, .conn = conn, .data = text};
    if (!tape->writer)
        return;
    record.len = text ? strlen(text) : 0;
    record.time_ns = (uint64_t)clock_now();
    tap_tape_check(tape, record_write(tape->writer, &record));
}

void
tap_tape_flush(struct tap_tape *tape)
{
    tape->due_ns = CLOCK_NEVER;
    if (tape->writer && record_flush(tape->writer) < 0)
        tap_tape_fail(tape);
}

void
tap_tape_finish(struct tap_tape *tape)
{
    if (!tape->writer)
        return;
    tap_tape_flush(tape);
    if (!tape->writer)
        return;
    if (record_finish(tape->writer) < 0) {
        tape->writer = NULL;
        tap_tape_fail(tape);
    }
    tape->writer = NULL;
}

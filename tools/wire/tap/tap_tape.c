/*
 * The recording as the tap uses it. A recording that fails (a full disk) ends
 * there: that is reported, the forwarding goes on, and the tap's exit status
 * tells it again.
 */
#include "tap_tape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tap_clock.h"

#define TAPE_KEPT_NS UINT64_C(100000000) /* how long bytes may stay in the buffer */

int
tape_open(struct tape *tape, const char *path, struct output *output)
{
    *tape = (struct tape){.output = output, .path = path};
    return record_create(&tape->writer, path);
}

static void
tape_fail(struct tape *tape)
{
    char text[256];

    (void)snprintf(
        text, sizeof(text), "%s: %s; the recording ends here", tape->path, strerror(errno));
    output_begin(tape->output, "error");
    output_text(tape->output, "text", text);
    output_end(tape->output);
    (void)fprintf(stderr, "tap: %s\n", text);
    (void)record_finish(tape->writer); /* fails for the same reason */
    tape->writer = NULL;
    tape->due_ns = 0;
    tape->failed = true;
}

/* After each record: a failure is told, and a full buffer's first byte has a time limit. */
static void
tape_check(struct tape *tape, int error, uint64_t now_ns)
{
    if (error < 0)
        tape_fail(tape);
    else if (record_pending(tape->writer) == 0)
        tape->due_ns = 0;
    else if (tape->due_ns == 0)
        tape->due_ns = now_ns + TAPE_KEPT_NS;
}

void
tape_opened(struct tape *tape, uint32_t conn, const struct record_names *names)
{
    struct record record = {.conn = conn, .time_ns = clock_ns()};

    if (tape->writer != NULL)
        tape_check(tape, record_write_open(tape->writer, record, names), record.time_ns);
}

void
tape_data(struct tape *tape, uint32_t conn, enum record_direction way, const void *data, size_t len)
{
    struct record record = {.type = RECORD_DATA, .direction = way, .conn = conn, .data = data};

    if (tape->writer == NULL)
        return;
    record.len = len;
    record.time_ns = clock_ns();
    tape_check(tape, record_write(tape->writer, &record), record.time_ns);
}

void
tape_pass(struct tape *tape, uint32_t conn, enum record_direction way, size_t n)
{
    struct record record = {.direction = way, .conn = conn};

    if (tape->writer == NULL)
        return;
    record.time_ns = clock_ns();
    tape_check(tape, record_write_pass(tape->writer, record, n), record.time_ns);
}

void
tape_mark(struct tape *tape, enum record_type type, uint32_t conn, enum record_direction way,
    const char *text)
{
    struct record record = {.type = type, .direction = way, .conn = conn, .data = text};

    if (tape->writer == NULL)
        return;
    record.len = text == NULL ? 0 : strlen(text);
    record.time_ns = clock_ns();
    tape_check(tape, record_write(tape->writer, &record), record.time_ns);
}

void
tape_flush(struct tape *tape)
{
    tape->due_ns = 0;
    if (tape->writer != NULL && record_flush(tape->writer) < 0)
        tape_fail(tape);
}

void
tape_finish(struct tape *tape)
{
    if (tape->writer == NULL)
        return;
    tape_flush(tape);
    if (tape->writer == NULL)
        return;
    if (record_finish(tape->writer) < 0) {
        tape->writer = NULL;
        tape_fail(tape);
    }
    tape->writer = NULL;
}

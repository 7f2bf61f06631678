/*
 * The tap's events: JSON lines on standard output, one object a line. Whoever
 * started the tap may be slow to read them or never do: no event ever blocks the
 * tap. They queue, within limits, and are counted when they must be dropped.
 */
#ifndef TAP_OUTPUT_H
#define TAP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct tap_output {
    int fd;
    FILE *event; /* being built, in memory; NULL: none, or no memory for it */
    char *text; /* of the event */
    size_t text_len;
    bool first; /* nothing yet in the innermost { or [ */
    char *queue; /* events to be written */
    size_t queue_len;
    size_t queue_size;
    uint64_t dropped; /* events that were never written */
};

void tap_output_init(struct tap_output *output, int fd);

/*
 * One event: begin, members in any number, end. Names are literals, texts are any bytes, times are
 * nanoseconds. An event for which there is no memory is dropped whole.
 */
void tap_output_begin(struct tap_output *output, const char *event);
void tap_output_text(struct tap_output *output, const char *name, const char *text);
void tap_output_number(struct tap_output *output, const char *name, uint64_t n);
void tap_output_seconds(struct tap_output *output, const char *name, int64_t ns);
void tap_output_ms(struct tap_output *output, const char *name, int64_t ns);
void tap_output_open(
    struct tap_output *output, const char *name, char bracket); /* name NULL in a [ */
void tap_output_close(struct tap_output *output, char bracket);
void tap_output_end(struct tap_output *output);

/* Writes what the reader takes without blocking. Returns true while events are queued. */
bool tap_output_flush(struct tap_output *output);

/* Before exit: waits for the reader, at most ms, and frees all. */
void tap_output_finish(struct tap_output *output, int ms);

#endif

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

struct output {
    int fd;
    char *line; /* the event under construction */
    size_t line_len;
    size_t line_size;
    bool first; /* nothing yet in the innermost { or [ */
    char *queue;
    size_t queue_len;
    size_t queue_size;
    uint64_t dropped; /* events that were never written */
};

void output_init(struct output *output, int fd);

/* One event: begin, members in any number, end. Names are literals, texts are any bytes. */
void output_begin(struct output *output, const char *event);
void output_text(struct output *output, const char *name, const char *text);
void output_number(struct output *output, const char *name, uint64_t n);
void output_seconds(struct output *output, const char *name, uint64_t ns);
void output_ms(struct output *output, const char *name, uint64_t ns);
void output_open(struct output *output, const char *name, char bracket); /* name NULL in a [ */
void output_close(struct output *output, char bracket);
void output_end(struct output *output);

/* Writes what the reader takes without blocking. Returns true while events are queued. */
bool output_flush(struct output *output);

/* Before exit: waits for the reader, at most ms, and frees all. */
void output_finish(struct output *output, int ms);

#endif

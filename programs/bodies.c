/*
 * Bodies come from the command line, from standard input, or from a series of
 * bytes (-s). Byte i of a body of the series is (sequence + i) & 255, so each
 * body begins one byte behind the last one, and the 256th at the front again.
 *
 *     series   | 00 01 02 03 04 05 06 07 ...
 *     sequence 4:  head    | 04 05 06 ...
 *     sequence 5:     head    | 05 06 ...
 *
 * The head of a message overwrites the bytes in front of its body. They are
 * needed again when a body begins further in front, once in 256 messages;
 * series_body() then restores them.
 */
#include "bodies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "stop.h"

/* Allocates memory for a body of that size and the head in front of it. */
static int
body_alloc(struct body *ret, size_t size)
{
    unsigned char *memory = malloc(MESSAGE_HEAD_MAX + size);
    if (!memory)
        return -1;
    ret->data = memory + MESSAGE_HEAD_MAX;
    return 0;
}

static void
body_free(struct body *body)
{
    if (body->data)
        free(body->data - MESSAGE_HEAD_MAX);
}

int
bodies_open(struct bodies *ret, const struct options *options)
{
    *ret = (struct bodies){.options = options};
    if (options->texts_len == 0) {
        ret->series.len = options->size > 0 ? (size_t)options->size : 0;
        if (body_alloc(&ret->series, ret->series.len + 255) < 0)
            return -1;
        for (size_t i = 0; i < ret->series.len + 255; i++)
            ret->series.data[i] = (unsigned char)i;
        return 0;
    }
    ret->texts = calloc((size_t)options->texts_len, sizeof(*ret->texts));
    if (!ret->texts)
        return -1;
    for (int i = 0; i < options->texts_len; i++) {
        size_t len = strlen(options->texts[i]);
        if (body_alloc(&ret->texts[i], len) < 0)
            return -1;
        memcpy(ret->texts[i].data, options->texts[i], len);
        ret->texts[i].len = len;
    }
    return 0;
}

static int
line_grow(struct bodies *bodies)
{
    size_t size = bodies->line_size > 0 ? 2 * bodies->line_size : 256;
    struct body larger = {.len = bodies->line.len};
    if (body_alloc(&larger, size) < 0)
        return -1;
    if (bodies->line.len > 0)
        memcpy(larger.data, bodies->line.data, bodies->line.len);
    body_free(&bodies->line);
    bodies->line = larger;
    bodies->line_size = size;
    return 0;
}

void
bodies_wait(struct bodies *bodies, int (*wait)(void *owner), void *owner)
{
    bodies->wait = wait;
    bodies->owner = owner;
}

/* Reads the next byte of standard input. 1: there is one; 0: the end; -1. */
static int
next_byte(struct bodies *bodies, unsigned char *ret)
{
    if (bodies->in_at == bodies->in_end) {
        if (bodies->wait && bodies->wait(bodies->owner) < 0)
            return -1;
        ssize_t n;
        do {
            n = process_read(bodies->in, sizeof(bodies->in));
        } while (n < 0 && errno == EINTR && !stop_requested());
        if (n <= 0)
            return (int)n;
        if (stop_requested()) { /* input without end never blocks */
            errno = EINTR;
            return -1;
        }
        bodies->in_at = 0;
        bodies->in_end = (size_t)n;
    }
    *ret = bodies->in[bodies->in_at++];
    return 1;
}

/* Reads a line of standard input, without its newline. Returns the same. */
static int
line_read(struct bodies *bodies)
{
    size_t max = bodies->options->tuning.message_max;
    bool too_long = false;
    unsigned char c = 0;
    int result;
    bodies->line.len = 0;
    if (!bodies->line.data && line_grow(bodies) < 0)
        return -1;
    while ((result = next_byte(bodies, &c)) > 0 && c != '\n') {
        if (bodies->line.len >= max) {
            too_long = true; /* reads the rest of the line and discards it */
            continue;
        }
        if (bodies->line.len == bodies->line_size && line_grow(bodies) < 0)
            return -1;
        bodies->line.data[bodies->line.len++] = c;
    }
    if (result < 0)
        return -1;
    if (too_long) {
        errno = EMSGSIZE;
        return -1;
    }
    return result > 0 || bodies->line.len > 0;
}

/* The body of the series for that sequence. */
static const unsigned char *
series_body(struct bodies *bodies, uint64_t sequence)
{
    size_t at = sequence & 255;
    if (at < bodies->at) { /* heads may have overwritten these bytes */
        for (size_t i = at; i < bodies->at; i++)
            bodies->series.data[i] = (unsigned char)i;
    }
    bodies->at = at;
    return bodies->series.data + at;
}

int
bodies_next(struct bodies *bodies, struct message *message)
{
    if (bodies->options->lines) {
        int result = line_read(bodies);
        if (result > 0) {
            message->body = bodies->line.data;
            message->body_len = bodies->line.len;
        }
        return result;
    }
    if (!bodies->texts) {
        message->body = series_body(bodies, message->sequence);
        message->body_len = bodies->series.len;
        return 1;
    }
    const struct body *body = &bodies->texts[bodies->next];
    bodies->next = (bodies->next + 1) % (size_t)bodies->options->texts_len;
    message->body = body->data;
    message->body_len = body->len;
    return 1;
}

const void *
bodies_encode(const struct message *message, size_t *len)
{
    unsigned char *body = (unsigned char *)(uintptr_t)message->body;
    size_t head = message->topic_len + MESSAGE_HEADER;
    /* Topics and bodies were checked when the command line was read. */
    (void)message_encode_head(message, body - head, head);
    *len = head + message->body_len;
    return body - head;
}

void
bodies_close(struct bodies *bodies)
{
    body_free(&bodies->series);
    body_free(&bodies->line);
    if (!bodies->texts)
        return;
    for (int i = 0; i < bodies->options->texts_len; i++)
        body_free(&bodies->texts[i]);
    free(bodies->texts);
}

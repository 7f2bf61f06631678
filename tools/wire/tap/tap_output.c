/*
 * Events as JSON lines. Standard output may be a file, a terminal or a pipe, and
 * its file description is shared with others, so it must not be made
 * non-blocking. Instead poll(2) is asked before each write of at most PIPE_BUF
 * bytes: a pipe that is writable takes that much at once.
 */
#include "tap_output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    QUEUE_MAX = 4 * 1024 * 1024, /* of events that nobody reads */
};

void
output_init(struct output *output, int fd)
{
    memset(output, 0, sizeof(*output));
    output->fd = fd;
}

/* Makes room for len more bytes in *buffer. */
static bool
reserve(char **buffer, size_t *size, size_t used, size_t len)
{
    size_t larger = *size < 256 ? 256 : *size;
    char *moved;

    while (larger - used < len)
        larger *= 2;
    if (larger == *size)
        return true;
    moved = realloc(*buffer, larger);
    if (moved == NULL)
        return false;
    *buffer = moved;
    *size = larger;
    return true;
}

/* A line that memory does not suffice for is dropped whole, by output_end. */
static void
put(struct output *output, const char *text, size_t len)
{
    if (output->line_len == SIZE_MAX)
        return;
    if (!reserve(&output->line, &output->line_size, output->line_len, len)) {
        output->line_len = SIZE_MAX;
        return;
    }
    memcpy(output->line + output->line_len, text, len);
    output->line_len += len;
}

static void
put_text(struct output *output, const char *text)
{
    put(output, text, strlen(text));
}

/* The bytes of the UTF-8 character at the start of a text, at most 4; 0: there is none. */
static size_t
character(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (len == 0 || at[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return len;
}

/* Any bytes as a JSON string; what is not UTF-8 becomes U+FFFD. */
static void
put_quoted(struct output *output, const char *text)
{
    char code[8];

    put_text(output, "\"");
    while (*text != '\0') {
        unsigned char c = (unsigned char)*text;
        size_t len = character(text);

        if (c == '"' || c == '\\' || c < 0x20) {
            (void)snprintf(code, sizeof(code), "\\u%04x", c);
            put_text(output, code);
        } else if (len == 0) {
            put_text(output, "\\ufffd");
        } else {
            put(output, text, len);
        }
        text += len == 0 ? 1 : len;
    }
    put_text(output, "\"");
}

static void
put_name(struct output *output, const char *name)
{
    if (!output->first)
        put_text(output, ",");
    output->first = false;
    if (name != NULL) {
        put_quoted(output, name);
        put_text(output, ":");
    }
}

void
output_begin(struct output *output, const char *event)
{
    output->line_len = 0;
    output->first = true;
    put_text(output, "{");
    output_text(output, "event", event);
}

void
output_text(struct output *output, const char *name, const char *text)
{
    put_name(output, name);
    put_quoted(output, text);
}

void
output_number(struct output *output, const char *name, uint64_t n)
{
    char text[24];

    put_name(output, name);
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    put_text(output, text);
}

/* ns in a unit of so many, with six decimals. */
static void
put_time(struct output *output, const char *name, uint64_t ns, uint64_t unit)
{
    char text[48];

    put_name(output, name);
    (void)snprintf(text, sizeof(text), "%llu.%06llu", (unsigned long long)(ns / unit),
        (unsigned long long)(ns % unit / (unit / 1000000)));
    put_text(output, text);
}

void
output_seconds(struct output *output, const char *name, uint64_t ns)
{
    put_time(output, name, ns, 1000000000);
}

void
output_ms(struct output *output, const char *name, uint64_t ns)
{
    put_time(output, name, ns, 1000000);
}

void
output_open(struct output *output, const char *name, char bracket)
{
    put_name(output, name);
    put(output, &bracket, 1);
    output->first = true;
}

void
output_close(struct output *output, char bracket)
{
    put(output, &bracket, 1);
    output->first = false;
}

void
output_end(struct output *output)
{
    put_text(output, "}\n");
    if (output->line_len == SIZE_MAX || output->queue_len + output->line_len > QUEUE_MAX ||
        !reserve(&output->queue, &output->queue_size, output->queue_len, output->line_len)) {
        output->dropped++;
        return;
    }
    memcpy(output->queue + output->queue_len, output->line, output->line_len);
    output->queue_len += output->line_len;
    (void)output_flush(output);
}

/* As output_flush, waiting at most ms for the reader. */
static bool
flush_within(struct output *output, int ms)
{
    size_t done = 0;

    while (done < output->queue_len) {
        struct pollfd ready = {.fd = output->fd, .events = POLLOUT};
        size_t len = output->queue_len - done;
        ssize_t n = poll(&ready, 1, ms);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            break;
        if (n > 0)
            n = write(output->fd, output->queue + done, len < PIPE_BUF ? len : PIPE_BUF);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        /* Nobody will read this any more: the tap goes on without. */
        done = n < 0 ? output->queue_len : done + (size_t)n;
    }
    memmove(output->queue, output->queue + done, output->queue_len - done);
    output->queue_len -= done;
    return output->queue_len > 0;
}

bool
output_flush(struct output *output)
{
    return output->queue_len > 0 && flush_within(output, 0);
}

void
output_finish(struct output *output, int ms)
{
    if (output->queue_len > 0)
        (void)flush_within(output, ms);
    free(output->line);
    free(output->queue);
    output->line = NULL;
    output->queue = NULL;
    output->queue_len = output->queue_size = output->line_size = 0;
}

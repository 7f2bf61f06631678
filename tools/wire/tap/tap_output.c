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

#include "clock.h"
#include "json.h"

enum {
    QUEUE_MAX = 4 * 1024 * 1024, /* of events that nobody reads */
};

void
tap_output_init(struct tap_output *output, int fd)
{
    memset(output, 0, sizeof(*output));
    output->fd = fd;
}

static void
put_name(struct tap_output *output, const char *name)
{
    if (!output->first)
        (void)putc(',', output->event);
    output->first = false;
    if (name)
        (void)fprintf(output->event, "\"%s\":", name);
}

void
tap_output_begin(struct tap_output *output, const char *event)
{
    output->event = open_memstream(&output->text, &output->text_len);
    if (!output->event)
        return;
    output->first = true;
    (void)putc('{', output->event);
    tap_output_text(output, "event", event);
}

void
tap_output_text(struct tap_output *output, const char *name, const char *text)
{
    if (!output->event)
        return;
    put_name(output, name);
    json_string(output->event, text, strlen(text));
}

void
tap_output_number(struct tap_output *output, const char *name, uint64_t n)
{
    if (!output->event)
        return;
    put_name(output, name);
    (void)fprintf(output->event, "%llu", (unsigned long long)n);
}

/* A time in a unit of so many nanoseconds, with six decimals. */
static void
put_time(struct tap_output *output, const char *name, int64_t ns, int64_t unit)
{
    if (!output->event)
        return;
    put_name(output, name);
    (void)fprintf(output->event, "%lld.%06lld", (long long)(ns / unit),
        (long long)(ns % unit / (unit / 1000000)));
}

void
tap_output_seconds(struct tap_output *output, const char *name, int64_t ns)
{
    put_time(output, name, ns, CLOCK_S);
}

void
tap_output_ms(struct tap_output *output, const char *name, int64_t ns)
{
    put_time(output, name, ns, CLOCK_MS);
}

void
tap_output_open(struct tap_output *output, const char *name, char bracket)
{
    if (!output->event)
        return;
    put_name(output, name);
    (void)putc(bracket, output->event);
    output->first = true;
}

void
tap_output_close(struct tap_output *output, char bracket)
{
    if (!output->event)
        return;
    (void)putc(bracket, output->event);
    output->first = false;
}

/* Appends the event's text to the queue. ENOMEM; ENOBUFS: nobody reads. */
static int
enqueue(struct tap_output *output)
{
    size_t size = output->queue_size < 256 ? 256 : output->queue_size;
    if (output->queue_len + output->text_len > QUEUE_MAX) {
        errno = ENOBUFS;
        return -1;
    }
    while (size - output->queue_len < output->text_len)
        size *= 2;
    if (size > output->queue_size) {
        char *queue = realloc(output->queue, size);
        if (!queue)
            return -1;
        output->queue = queue;
        output->queue_size = size;
    }
    memcpy(output->queue + output->queue_len, output->text, output->text_len);
    output->queue_len += output->text_len;
    return 0;
}

void
tap_output_end(struct tap_output *output)
{
    bool whole = false;
    if (output->event) {
        (void)fputs("}\n", output->event);
        whole = !ferror(output->event);
        whole = fclose(output->event) == 0 && whole;
        output->event = NULL;
    }
    if (!whole || enqueue(output) < 0)
        output->dropped++;
    free(output->text);
    output->text = NULL;
    (void)tap_output_flush(output);
}

/* As tap_output_flush, waiting at most ms for the reader. */
static bool
flush_within(struct tap_output *output, int ms)
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
tap_output_flush(struct tap_output *output)
{
    return output->queue_len > 0 && flush_within(output, 0);
}

void
tap_output_finish(struct tap_output *output, int ms)
{
    if (output->queue_len > 0)
        (void)flush_within(output, ms);
    free(output->queue);
    output->queue = NULL;
    output->queue_len = output->queue_size = 0;
}

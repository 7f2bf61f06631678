/*
 * What the probes calls-zmq, calls-nanomsg and calls-nng share: a line of
 * standard input is a call of the library, and its answer a JSON line as
 * programs/driver.c prints it. A probe ends after LIFE_S, whatever it waits in.
 */
#ifndef CALLS_H
#define CALLS_H

#include "clock.h"
#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LIFE_S = 60,
    SOCKETS = 256,
    BYTES_MAX = 1 << 20, /* of a message that is sent, and of what is printed of one */
};

struct name {
    const char *name;
    int number;
};

static char line[512], message[BYTES_MAX];
static const char *command, *rest; /* the line's first word, and what follows it */
static int64_t started;

static inline bool
next_command(void)
{
    if (!fgets(line, sizeof(line), stdin))
        return false;
    line[strcspn(line, "\n")] = '\0';
    char *space = strchr(line, ' ');
    if (space)
        *space = '\0';
    command = line;
    rest = space ? space + 1 : line + strlen(line);
    started = clock_now();
    return true;
}

static inline bool
is(const char *word)
{
    return strcmp(command, word) == 0;
}

/* The number of the name that a text begins with; -1: it is not in the table. */
static inline int
number_of(const struct name *table, size_t len, const char *text)
{
    size_t letters = strcspn(text, " ");
    for (size_t i = 0; i < len; i++)
        if (strlen(table[i].name) == letters && memcmp(table[i].name, text, letters) == 0)
            return table[i].number;
    return -1;
}

#define NUMBER_OF(table, text) number_of(table, sizeof(table) / sizeof((table)[0]), text)

static inline int
refuse(const char *what)
{
    printf("{\"usage\":\"%s\"}\n", what);
    fflush(stdout);
    return 0;
}

/* result < 0: failed, with errnum and the library's words. more: further members, or "". */
static inline void
answer(int64_t result, int errnum, const char *error, const char *more, ...)
{
    printf("{\"command\":\"%s\",\"result\":%" PRId64 ",\"us\":%" PRId64, command, result,
        (clock_now() - started) / CLOCK_US);
    if (result < 0) {
        const char *name = strerrorname_np(errnum);
        printf(",\"errno\":\"%s\",\"error\":", name ? name : "private");
        json_string(stdout, error, strlen(error));
    } else {
        printf(",\"errno\":null");
    }
    va_list args;
    va_start(args, more);
    vprintf(more, args);
    va_end(args);
    printf("}\n");
    fflush(stdout);
}

/* Writes the message that a line names, "-s BYTES" or a text; returns its length. */
static inline size_t
compose(void)
{
    size_t len = strlen(rest);
    if (strncmp(rest, "-s ", 3) != 0) {
        memcpy(message, rest, len);
        return len;
    }
    len = strtoul(rest + 3, NULL, 10);
    len = len < BYTES_MAX ? len : BYTES_MAX;
    memset(message, 'x', len);
    return len;
}

/* Writes event number n of so many bytes, for "flood COUNT BYTES". */
static inline void
compose_event(long n, size_t len)
{
    char head[16];
    int digits = snprintf(head, sizeof(head), "%08ld", n);
    memset(message, '.', len);
    memcpy(message, head, len < (size_t)digits ? len : (size_t)digits);
}

/* What "drain" has received. */
struct drained {
    long count, first, last;
    bool in_order;
};

static inline void
drained_add(struct drained *drained, const char *data, size_t len)
{
    char head[16] = "";
    memcpy(head, data, len < 8 ? len : 8);
    long n = strtol(head, NULL, 10);
    if (drained->count++ == 0)
        *drained = (struct drained){.count = 1, .first = n, .in_order = true};
    else
        drained->in_order = drained->in_order && n > drained->last;
    drained->last = n;
}

#endif

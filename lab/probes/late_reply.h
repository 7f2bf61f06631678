/*
 * What the clients of the experiment late-reply say: they ask "one", give up, ask "two" at once,
 * and receive. A JSON line for each step. The time until they give up begins with a line on
 * standard input, so that the server has the request by then, however busy the machine is.
 */
#ifndef LATE_REPLY_H
#define LATE_REPLY_H

#include "json.h"

#include <stdio.h>
#include <string.h>

enum {
    GIVE_UP_MS = 200,
    WAIT_MS = 10000,
};

static inline void
say(const char *event, const char *error, const char *text, int len)
{
    printf("{\"event\":\"%s\",\"error\":", event);
    json_string(stdout, error, strlen(error));
    printf(",\"text\":");
    json_string(stdout, text, (size_t)len);
    puts("}");
    fflush(stdout);
}

#endif

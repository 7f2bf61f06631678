/*
 * What the clients of the experiment late-reply say: they ask "one", give up, ask "two" at once,
 * and receive. A JSON line for each step.
 */
#ifndef LATE_REPLY_H
#define LATE_REPLY_H

#include <stdio.h>

enum {
    GIVE_UP_MS = 200,
    WAIT_MS = 3000,
};

static inline void
say(const char *event, const char *error, const char *text, int len)
{
    printf("{\"event\":\"%s\",\"error\":\"%s\",\"text\":\"%.*s\"}\n", event, error, len, text);
    fflush(stdout);
}

#endif

/* What a library's call returned, as a JSON line. */
#ifndef ANSWER_H
#define ANSWER_H

#include "json.h"

#include <stdio.h>
#include <string.h>

/* error: the library's words if it failed. */
static inline void
answer(int result, const char *error)
{
    printf("{\"result\":%d,\"error\":", result);
    json_string(stdout, error, strlen(error));
    puts("}");
    fflush(stdout);
}

#endif

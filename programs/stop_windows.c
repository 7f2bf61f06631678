/*
 * Ctrl-C on Windows: see stop.h. stop.c is its twin for POSIX. There is no
 * signal that could interrupt a call; console.h says who looks instead. Nor
 * is there a SIGPIPE: writing to a closed pipe fails.
 */
#include "stop.h"

#include "console.h"

int
stop_install(void)
{
    return console_catch();
}

void
stop_request(void)
{
    console_interrupt();
}

bool
stop_requested(void)
{
    return console_interrupted();
}

/* SIGINT and SIGTERM end a program even if it blocks in a library. */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>

/*
 * Catches SIGINT and SIGTERM, and ignores SIGPIPE. From the first signal on,
 * every blocking call of this process ends with EINTR after at most 50 ms.
 */
int stop_install(void);

/* Does what a signal would do. */
void stop_request(void);

/* Whether a signal has come. */
bool stop_requested(void);

#endif

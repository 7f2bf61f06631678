/* SIGINT and SIGTERM, made safe for programs that block in a library. */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>

/*
 * Catches SIGINT and SIGTERM, and ignores SIGPIPE. From the first signal on,
 * blocking calls of this process end with EINTR, again and again.
 */
int stop_install(void);

/* As if a signal had come. */
void stop_request(void);

/* Whether a signal has come. */
bool stop_requested(void);

#endif

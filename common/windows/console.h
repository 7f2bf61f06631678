/*
 * Ctrl-C, which is a signal elsewhere. Windows has no signals: it starts a
 * thread of its own for Ctrl-C, and no call that waits ends for it. So a call
 * that waits looks here, or waits for the event as well, and fails with EINTR
 * as pattern.h promises.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdbool.h>

/* Catches Ctrl-C, Ctrl-Break and the closing of the console. */
int console_catch(void);

/* Does what Ctrl-C would do. */
void console_interrupt(void);

/* Whether one has come. From then on it stays true. */
bool console_interrupted(void);

/* The event that is then set, a HANDLE; NULL: nothing is caught. */
void *console_event(void);

#endif

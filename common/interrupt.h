/*
 * A signal ends a blocking call only if the call sleeps at that moment. A loop
 * that always finds something to do never sleeps. So the programs' handlers
 * count the signals that are meant to end a call, and such a loop looks at the
 * count.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <signal.h>

/* Counted by handlers alone; it may start over. */
extern volatile sig_atomic_t interrupts;

/* For handlers. */
void interrupt(void);

#endif

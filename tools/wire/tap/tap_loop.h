/* The loop that runs everything in the tap, in one thread. */
#ifndef TAP_LOOP_H
#define TAP_LOOP_H

#include "tap.h"

/* Runs until tap->quit. -1 and errno: the system cannot wait for events. */
int tap_loop_run(struct tap *tap);

#endif

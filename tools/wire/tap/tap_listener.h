/* Where clients come in. */
#ifndef TAP_LISTENER_H
#define TAP_LISTENER_H

#include "tap.h"

/* Listens on tap->front, which then holds the port that was chosen. -1 and errno. */
int tap_listener_open(struct tap *tap);

/* Out of descriptors, accepting stops; this goes on with it, at listener.retry_ns. */
void tap_listener_retry(struct tap *tap);

/* Stops listening and removes an ipc path. */
void tap_listener_close(struct tap *tap);

#endif

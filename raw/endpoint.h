/* Sockets at an address: one that listens, one that connects. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "sockaddr.h"

#include <stdbool.h>

/*
 * Makes a non-blocking socket that listens at the address. Replaces an ipc path
 * that a killed server left behind. -1 and errno as for bind(2).
 */
int endpoint_listen(const struct sockaddr_any *address);

/* Removes the ipc path that endpoint_listen() made. For TCP, does nothing. */
void endpoint_unlink(const struct sockaddr_any *address);

/*
 * Makes a non-blocking socket that connects to the address. *done says whether
 * it is connected already. A refusal is -1 and errno here, or SO_ERROR later.
 */
int endpoint_connect(const struct sockaddr_any *address, bool *done);

/* Turns Nagle's algorithm off: small messages go at once. Not for ipc: 0. */
int endpoint_nodelay(const struct sockaddr_any *address, int fd);

/* Whether a TCP socket is connected to itself. */
bool endpoint_is_self(int fd);

#endif

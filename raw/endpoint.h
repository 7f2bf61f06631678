/* Sockets at an address: one that listens, one that connects. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "ipc_path.h"
#include "sockaddr.h"

#include <stdbool.h>

/* Whether it is an ipc path, and no TCP address. */
bool endpoint_is_ipc(const struct sockaddr_any *address);

/*
 * Makes a non-blocking socket that listens at url, and writes its address, and
 * its ipc path, which the caller must remove. Replaces an ipc path that a
 * killed server left behind. -1 and errno as for bind(2).
 */
int endpoint_listen(
    struct sockaddr_any *address, struct ipc_path *path, const char *url);

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

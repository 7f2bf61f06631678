/* Literal addresses as the socket calls take them: listen and connect. */
#ifndef RAW_ADDRESS_H
#define RAW_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* EINVAL: not tcp://LITERAL:PORT nor ipc:///PATH. */
int address_parse(struct address *ret, const char *url);

/*
 * A non-blocking socket that listens there; a stale ipc path is replaced.
 * EADDRINUSE, EACCES and the rest of bind(2).
 */
int address_listen(const struct address *address);

/* Removes the ipc path that address_listen() made. */
void address_unlink(const struct address *address);

/*
 * A non-blocking socket that connects: *done tells whether it has already.
 * Refusal is -1 or comes later, as SO_ERROR.
 */
int address_connect(const struct address *address, bool *done);

/* Sends small messages at once. Nothing to do for ipc. */
int address_nodelay(const struct address *address, int fd);

/* Whether a TCP socket has connected to itself. */
bool address_is_self(int fd);

#endif

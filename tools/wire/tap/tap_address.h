/*
 * The tap's sockets at an address, and an address as a URL: tcp://127.0.0.1:5555,
 * tcp://[::1]:5555, ipc:///path. Failing functions return -1 and errno.
 */
#ifndef TAP_ADDRESS_H
#define TAP_ADDRESS_H

#include <sys/stat.h>

#include "record.h"
#include "sockaddr.h"

/* Writes the address as a URL. A UNIX socket without a path is "ipc://". */
void tap_address_print(char ret[RECORD_NAME_MAX], const struct sockaddr_any *address);

/* The socket's own address: getsockname(2). */
int tap_address_own(struct sockaddr_any *ret, int fd);

/* Makes a stream socket for the address: non-blocking and, over TCP, tuned as below. */
int tap_address_socket(const struct sockaddr_any *address);

/* Turns Nagle's algorithm off, and takes urgent bytes in line. For a UNIX socket, does nothing. */
int tap_address_tune(const struct sockaddr_any *address, int fd);

/*
 * Makes a socket that listens at the address. Replaces a path that a dead server left behind;
 * *id names the new file, for tap_address_remove. EADDRINUSE: somebody listens there; EEXIST:
 * the path is something else than a socket, and stays.
 */
int tap_address_listen(const struct sockaddr_any *address, struct stat *id);

/* Removes the path that tap_address_listen made, if it is still the same file. */
void tap_address_remove(const struct sockaddr_any *address, const struct stat *id);

#endif

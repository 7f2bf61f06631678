/*
 * The tap's addresses: tcp://127.0.0.1:5555, tcp://[::1]:5555, tcp://NAME:5555,
 * tcp://'*':5555 to listen on every IPv4 address, ipc:///path. Names are resolved
 * once, IPv4 first. Failing functions return -1 and errno, and where the user
 * wrote the address a sentence in *why that is valid until the next call.
 */
#ifndef TAP_ADDRESS_H
#define TAP_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "record.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
        struct sockaddr_un local;
    } is;
    socklen_t len;
};

/* EINVAL: no such address; ENOENT: an unknown host. Port 0 is good to listen on only. */
int address_parse(struct address *ret, const char *url, bool listening, const char **why);

/* As a URL, into ret. A UNIX socket without a path is "ipc://". */
void address_print(char ret[RECORD_NAME_MAX], const struct address *address);

/* Both ends of a connected socket: its own address, or its peer's. */
int address_own(struct address *ret, int fd);
int address_peer(struct address *ret, int fd);

/* A stream socket for the address: non-blocking, and without Nagle's algorithm for TCP. */
int address_socket(const struct address *address);
int address_tune(const struct address *address, int fd);

/*
 * A listening socket; of a UNIX socket *id names the file, for address_remove. A
 * path left by a dead server is replaced. EADDRINUSE: somebody listens there;
 * EEXIST: the path is something else than a socket, and stays.
 */
int address_listen(const struct address *address, struct stat *id);

/* Removes the path that address_listen made, if it is still the same file. */
void address_remove(const struct address *address, const struct stat *id);

#endif

/* Accepts connections at an address, as long as there are descriptors. */
#ifndef LISTENER_H
#define LISTENER_H

#include "endpoint.h"
#include "loop.h"

struct listener {
    struct loop *loop;
    struct sockaddr_any address;
    struct ipc_path path; /* to be removed */
    struct source source; /* fd -1: not bound */
    void (*accepted)(void *owner, int fd);
    void *owner;
};

/*
 * Binds to url. Calls accepted(owner, fd) for each connection; fd is
 * non-blocking, and the owner must close it. On failure errno is bind(2)'s. The
 * caller must call listener_close() even if this fails.
 */
int listener_open(struct listener *ret, struct loop *loop, const char *url,
    void (*accepted)(void *, int), void *owner);

/* Stops listening and removes the ipc path that it made. */
void listener_close(struct listener *listener);

#endif

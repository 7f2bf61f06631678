/* A client's endpoint, which both patterns must renew for the same reason. */
#ifndef RECONNECT_H
#define RECONNECT_H

#include <stdint.h>

#include "address.h"

struct endpoint {
    int socket; /* the caller's, who closes it */
    int id; /* what nn_connect() has returned last; -1: it failed */
    int64_t due; /* when endpoint_renew() is to be called, if nothing comes;
                    CLOCK_NEVER: it is not needed */
    uint64_t broken; /* connections that had broken when it was made */
    char url[ADDRESS_MAX];
};

/*
 * Connects the socket; the library does so again when a connection breaks. -1
 * and errno as of nn_connect(3).
 */
int endpoint_open(struct endpoint *endpoint, int socket, const char *url);

/*
 * Replaces it if its connection has broken and has not come back. A server that
 * is absent breaks no connection, so the library alone looks for it. One whose
 * greeting is wrong breaks each; then there are at most twice as many attempts
 * as the library makes, which is one in 100 ms. Changes errno.
 */
void endpoint_renew(struct endpoint *endpoint);

#endif

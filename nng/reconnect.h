/* A client's endpoint, which both patterns must renew for the same reason. */
#ifndef RECONNECT_H
#define RECONNECT_H

#include <stdint.h>

#include "address.h"

struct endpoint {
    int socket;
    int id; /* what nn_connect() has returned */
    int64_t due; /* when endpoint_renew() is to be called, if nothing comes */
    uint64_t broken; /* connections that had broken when it was made */
    char url[ADDRESS_MAX];
};

/* Connects the socket; the library does so again when a connection breaks. */
int endpoint_open(struct endpoint *endpoint, int socket, const char *url);

/* Replaces it if its connection has broken and has not come back. */
void endpoint_renew(struct endpoint *endpoint);

#endif

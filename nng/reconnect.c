/*
 * Connecting. Besides reqrep.c and pubsub.c, only this file, close.c and
 * receive.c call the library: both patterns need the same precaution.
 *
 * nanomsg reads ahead into a buffer that outlives the connection (file
 * usock_posix.inc, in.batch). If bytes are left in it, nanomsg takes them for
 * the greeting of the next server, and the client may never hear it. A server
 * that is killed leaves such bytes over ipc, because a UNIX socket tells that
 * the peer has ended before its bytes are read. Over TCP only a stranger does
 * (lab stranger-first). Only a new endpoint has an empty buffer. NNG has no
 * such buffer.
 */
#include "reconnect.h"

#include <nanomsg/nn.h>

#include <stdio.h>
#include <string.h>

#include "clock.h"

int
endpoint_open(struct endpoint *endpoint, int socket, const char *url)
{
    endpoint->socket = socket;
    endpoint->due = CLOCK_NEVER;
#ifndef NNG_COMPAT_NN_H
    if (strncmp(url, "ipc:", 4) == 0)
        endpoint->due = 0;
#endif
    (void)snprintf(endpoint->url, sizeof(endpoint->url), "%s", url);
    endpoint->id = nn_connect(socket, url);
    return endpoint->id < 0 ? -1 : 0;
}

void
endpoint_renew(struct endpoint *endpoint)
{
#ifndef NNG_COMPAT_NN_H
    enum {
        LOOK_MS = 100, /* nothing wakes us when a connection breaks */
    };
    int socket = endpoint->socket;
    endpoint->due = clock_deadline(LOOK_MS);
    uint64_t broken = nn_get_statistic(socket, NN_STAT_BROKEN_CONNECTIONS);
    if (broken == endpoint->broken ||
        nn_get_statistic(socket, NN_STAT_CURRENT_CONNECTIONS) > 0)
        return;
    (void)nn_shutdown(socket, endpoint->id); /* fails only if there is none */
    endpoint->id = nn_connect(socket, endpoint->url);
    if (endpoint->id >= 0)
        endpoint->broken = broken;
#else
    (void)endpoint;
#endif
}

/*
 * Receiving a message. Besides reqrep.c and pubsub.c, only this file, close.c
 * and reconnect.c call the library: both patterns need the same precaution.
 *
 * NNG's address of an empty message is too low (nni_chunk_trim() in its
 * message.c does not advance to the end), so nn_freemsg() would take other
 * bytes for the message's own. It is given the right address at once.
 */
#include "receive.h"

#include <nanomsg/nn.h>

#include <stddef.h>

int
receive(int socket, void **message, int flags)
{
    int len = nn_recv(socket, message, NN_MSG, flags);
#ifdef NNG_COMPAT_NN_H
    if (len == 0) {
        (void)nn_freemsg((char *)*message + sizeof(void *));
        *message = NULL;
    }
#endif
    return len;
}

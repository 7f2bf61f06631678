/* Requests over two engines. */
#include "pattern.h"

#include <nanomsg/nn.h>
#include <stdlib.h>

struct req {
    int socket;
};

int
req_open(struct req **ret, const char *url)
{
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    req->socket = nn_socket(url);
#ifdef NNG_COMPAT_NN_H
    int ms = 100;
    if (nn_setsockopt(req->socket, NN_SOL_SOCKET, NN_RECONNECT_IVL, ms) < 0)
        goto fail;
#endif
    if (req->socket < 0)
        goto fail;
    *ret = req;
    return 0;
fail:
    req_close(req);
    return -1;
}

int
req_send(struct req *req, const void *data, size_t len)
{
#ifndef NNG_COMPAT_NN_H
    return nn_send(req->socket, data, len, 0) < 0 ? -1 : 0;
#else
    return nn_send(req->socket, data, len, 1) < 0 ? -1 : 0;
#endif
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    (void)nn_close(req->socket);
    free(req);
}

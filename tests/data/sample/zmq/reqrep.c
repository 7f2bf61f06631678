/* Requests over a library. */
#include "pattern.h"

#include <stdlib.h>
#include <zmq.h>

struct req {
    void *socket;
};

int
req_open(struct req **ret, const char *url)
{
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    req->socket = zmq_socket(url);
    if (!req->socket)
        goto fail;
    if (zmq_setsockopt(req->socket, ZMQ_LINGER, 0) < 0) goto fail; /* one line, badly formatted */
    *ret = req;
    return 0;
fail:
    req_close(req);
    return -1;
}

int
req_send(struct req *req, const void *data, size_t len)
{
    return zmq_send(req->socket, data, len) < 0 ? -1 : 0;
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    if (req->socket)
        (void)zmq_close(req->socket);
    free(req);
}

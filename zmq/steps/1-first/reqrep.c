/*
 * Request/reply as the first page of ZeroMQ's guide has it: a context, a socket
 * of a type, bind or connect, send, receive. No option is set, so that the
 * library's defaults show; every return value is checked. zmq/reqrep.c sets the
 * options, each for its clause.
 */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

struct req {
    void *ctx;
    void *socket;
    zmq_msg_t reply; /* lent to the caller */
};

struct rep {
    void *ctx;
    void *socket;
    zmq_msg_t request; /* lent to the caller */
};

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    (void)tuning;
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    (void)zmq_msg_init(&req->reply); /* cannot fail: zmq_msg_init(3) */
    req->ctx = zmq_ctx_new();
    if (!req->ctx)
        goto fail;
    req->socket = zmq_socket(req->ctx, ZMQ_REQ);
    if (!req->socket)
        goto fail;
    if (zmq_connect(req->socket, url) < 0)
        goto fail;
    *ret = req;
    return 0;
fail:;
    int errnum = errno;
    req_close(req);
    errno = errnum;
    return -1;
}

int
req_send(struct req *req, const void *data, size_t len)
{
    return zmq_send(req->socket, data, len, 0) < 0 ? -1 : 0;
}

ssize_t
req_recv(struct req *req, const void **data)
{
    if (zmq_msg_recv(&req->reply, req->socket, 0) < 0)
        return -1;
    *data = zmq_msg_data(&req->reply);
    return (ssize_t)zmq_msg_size(&req->reply);
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    (void)zmq_msg_close(&req->reply); /* fails for an invalid one only */
    if (req->socket)
        (void)zmq_close(req->socket); /* likewise */
    while (req->ctx && zmq_ctx_term(req->ctx) < 0 && errno == EINTR)
        ;
    free(req);
}

int
rep_open(struct rep **ret, const char *url, const struct tuning *tuning)
{
    (void)tuning;
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    (void)zmq_msg_init(&rep->request);
    rep->ctx = zmq_ctx_new();
    if (!rep->ctx)
        goto fail;
    rep->socket = zmq_socket(rep->ctx, ZMQ_REP);
    if (!rep->socket)
        goto fail;
    if (zmq_bind(rep->socket, url) < 0)
        goto fail;
    *ret = rep;
    return 0;
fail:;
    int errnum = errno;
    rep_close(rep);
    errno = errnum;
    return -1;
}

ssize_t
rep_recv(struct rep *rep, const void **data)
{
    if (zmq_msg_recv(&rep->request, rep->socket, 0) < 0)
        return -1;
    *data = zmq_msg_data(&rep->request);
    return (ssize_t)zmq_msg_size(&rep->request);
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    return zmq_send(rep->socket, data, len, 0) < 0 ? -1 : 0;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    (void)zmq_msg_close(&rep->request);
    if (rep->socket)
        (void)zmq_close(rep->socket);
    while (rep->ctx && zmq_ctx_term(rep->ctx) < 0 && errno == EINTR)
        ;
    free(rep);
}

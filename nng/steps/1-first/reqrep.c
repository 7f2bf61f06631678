/*
 * Request/reply as the first page of nanomsg's guide has it: a socket of a
 * protocol, bind or connect, send, receive. No option is set, so that the
 * defaults of the two libraries show; every return value is checked.
 * nng/reqrep.c sets the options, each for its clause.
 */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>

#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

struct req {
    int socket;
    void *reply; /* lent to the caller */
};

struct rep {
    int socket;
    void *request; /* lent to the caller */
};

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    (void)tuning;
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    req->socket = nn_socket(AF_SP, NN_REQ);
    if (req->socket < 0)
        goto fail;
    if (nn_connect(req->socket, url) < 0)
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
    return nn_send(req->socket, data, len, 0) < 0 ? -1 : 0;
}

ssize_t
req_recv(struct req *req, const void **data)
{
    if (req->reply)
        (void)nn_freemsg(req->reply); /* fails for an invalid one only */
    req->reply = NULL;
    int len = nn_recv(req->socket, &req->reply, NN_MSG, 0);
    *data = req->reply;
    return len;
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    if (req->reply)
        (void)nn_freemsg(req->reply);
    if (req->socket >= 0)
        (void)nn_close(req->socket); /* fails for an invalid one only */
    free(req);
}

int
rep_open(struct rep **ret, const char *url, const struct tuning *tuning)
{
    (void)tuning;
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    rep->socket = nn_socket(AF_SP, NN_REP);
    if (rep->socket < 0)
        goto fail;
    if (nn_bind(rep->socket, url) < 0)
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
    if (rep->request)
        (void)nn_freemsg(rep->request);
    rep->request = NULL;
    int len = nn_recv(rep->socket, &rep->request, NN_MSG, 0);
    *data = rep->request;
    return len;
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    return nn_send(rep->socket, data, len, 0) < 0 ? -1 : 0;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    if (rep->request)
        (void)nn_freemsg(rep->request);
    if (rep->socket >= 0)
        (void)nn_close(rep->socket);
    free(rep);
}

/*
 * Request/reply over ZeroMQ. A REQ and a REP socket frame the messages, connect
 * again when a connection breaks, and serve many clients fairly, in a thread of
 * the library. Left to us: a request without an answer must not block the next
 * one, a peer may not send what it likes, and closing must not lose a reply.
 */
#include "pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    RECONNECT_MS = 100,
    HANDSHAKE_MS = 1000, /* a silent connection is kept 30 s, else */
    LINGER_MS = 500, /* a close waits so long for replies on their way */
};

struct req {
    void *ctx;
    void *socket;
    zmq_msg_t reply; /* lent to the caller */
    size_t message_max;
    bool pending; /* and the reply is still to come */
};

struct rep {
    void *ctx;
    void *socket;
    zmq_msg_t request; /* lent to the caller */
    size_t message_max;
    char *path; /* of ipc, bound: to be removed */
};

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    int on = 1;
    int ipv6 = strchr(url, '[') != NULL;
    int none = 0;
    int reconnect = RECONNECT_MS;
    int timeout = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    (void)zmq_msg_init(&req->reply); /* cannot fail: zmq_msg_init(3) */
    req->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    req->ctx = zmq_ctx_new();
    if (!req->ctx)
        goto fail;
    req->socket = zmq_socket(req->ctx, ZMQ_REQ);
    if (!req->socket)
        goto fail;
    /* RELAXED lets the next request follow one without an answer (R3),
     * CORRELATE keeps a late answer from being taken for the next one's (R2).
     * Without a high-water mark, unanswered requests do not fill it up and
     * block. */
    if (zmq_setsockopt(req->socket, ZMQ_REQ_RELAXED, &on, sizeof(on)) < 0 ||
        zmq_setsockopt(req->socket, ZMQ_REQ_CORRELATE, &on, sizeof(on)) < 0 ||
        zmq_setsockopt(req->socket, ZMQ_SNDHWM, &none, sizeof(none)) < 0 ||
        zmq_setsockopt(req->socket, ZMQ_LINGER, &none, sizeof(none)) < 0 ||
        zmq_setsockopt(req->socket, ZMQ_RCVTIMEO, &timeout, sizeof(int)) < 0 ||
        zmq_setsockopt(
            req->socket, ZMQ_RECONNECT_IVL, &reconnect, sizeof(int)) < 0 ||
        zmq_setsockopt(req->socket, ZMQ_IPV6, &ipv6, sizeof(ipv6)) < 0 ||
        zmq_connect(req->socket, url) < 0)
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
    if (len > req->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    if (zmq_send(req->socket, data, len, 0) < 0)
        return -1;
    req->pending = true;
    return 0;
}

/* Reads away further parts: a message in parts is none of ours, and empty. */
static int
drop_parts(void *socket, zmq_msg_t *message)
{
    if (!zmq_msg_more(message))
        return 0;
    do {
        if (zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0)
            return -1;
    } while (zmq_msg_more(message));
    (void)zmq_msg_close(message); /* it was received, so it is valid */
    return zmq_msg_init(message);
}

ssize_t
req_recv(struct req *req, const void **data)
{
    /* After a time-out the socket would wait for the old answer again: R9 */
    if (!req->pending) {
        errno = EFSM;
        return -1;
    }
    if (zmq_msg_recv(&req->reply, req->socket, 0) < 0 ||
        drop_parts(req->socket, &req->reply) < 0) {
        if (errno == EAGAIN)
            errno = ETIMEDOUT;
        req->pending = errno == EINTR;
        return -1;
    }
    req->pending = false;
    /* Not ZMQ_MAXMSGSIZE: on the side that connects, one message over it closes
     * the connection for good (R8). */
    if (zmq_msg_size(&req->reply) > req->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
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
    int ipv6 = strchr(url, '[') != NULL;
    int handshake = HANDSHAKE_MS;
    int linger = LINGER_MS;
    int64_t max = tuning->message_max ? (int64_t)tuning->message_max : -1;
    int timeout = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    (void)zmq_msg_init(&rep->request);
    rep->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    rep->ctx = zmq_ctx_new();
    if (!rep->ctx)
        goto fail;
    rep->socket = zmq_socket(rep->ctx, ZMQ_REP);
    if (!rep->socket)
        goto fail;
    /* A ZAP domain makes the library refuse peers older than ZMTP 3, and so
     * what merely looks like one, an HTTP request for instance (R7). */
    if (zmq_setsockopt(rep->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) < 0 ||
        zmq_setsockopt(
            rep->socket, ZMQ_HANDSHAKE_IVL, &handshake, sizeof(int)) < 0 ||
        zmq_setsockopt(rep->socket, ZMQ_ZAP_DOMAIN, "triptych", 8) < 0 ||
        zmq_setsockopt(rep->socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
        zmq_setsockopt(rep->socket, ZMQ_RCVTIMEO, &timeout, sizeof(int)) < 0 ||
        zmq_setsockopt(rep->socket, ZMQ_IPV6, &ipv6, sizeof(ipv6)) < 0)
        goto fail;
    if (zmq_bind(rep->socket, url) < 0)
        goto fail;
    if (strncmp(url, "ipc://", 6) == 0) {
        rep->path = strdup(url + 6);
        if (!rep->path)
            goto fail;
    }
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
    if (zmq_msg_recv(&rep->request, rep->socket, 0) < 0 ||
        drop_parts(rep->socket, &rep->request) < 0) {
        if (errno == EAGAIN)
            errno = ETIMEDOUT;
        return -1;
    }
    *data = zmq_msg_data(&rep->request);
    return (ssize_t)zmq_msg_size(&rep->request);
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    if (len > rep->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    /* A reply that its client does not take is dropped: R6 */
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
    /* This is what waits for the last reply (R11), as long as it lingers. */
    while (rep->ctx && zmq_ctx_term(rep->ctx) < 0 && errno == EINTR)
        ;
    if (rep->path)
        (void)unlink(rep->path); /* the library leaves it */
    free(rep->path);
    free(rep);
}

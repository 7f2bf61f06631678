/*
 * Request/reply over ZeroMQ. REQ and REP sockets frame the messages, connect
 * again when a connection breaks, and serve many clients fairly, in a thread of
 * the library. Left to us: an unanswered request must not block the next one,
 * what a peer may send must be limited, and closing must not lose a reply.
 */
#include "pattern.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "clock.h"
#include "interrupt.h"
#include "ipc_path.h"
#include "refusals.h"
#include "waiting.h"

enum {
    RECONNECT_MS = 100,
    HANDSHAKE_MS = 1000, /* the default keeps a silent connection for 30 s */
    /* Replies that a client has not taken; the library drops what is over. The
     * default of 1000 would keep 4 GB of replies of 4 MB for a client that
     * never reads (R6). A client that reads has few under way: the library
     * learns at least every ms what has been taken (max_command_delay). */
    REPLIES_MAX = 32,
    LINGER_MS = 500, /* rep_close() waits at most so long for unsent replies */
};

struct req {
    void *ctx;
    void *socket;
    struct pollfd wait; /* for what the socket has to do */
    char *url;
    zmq_msg_t reply; /* lent to the caller */
    size_t message_max;
    int timeout_ms;
    bool pending; /* the reply to the latest request has not come */
};

struct rep {
    void *ctx;
    void *socket;
    struct pollfd wait[2]; /* for the socket, and for whom it refuses */
    struct refusals refusals;
    zmq_msg_t request; /* lent to the caller */
    size_t message_max;
    int timeout_ms;
    struct ipc_path path; /* to remove; none for TCP */
};

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    int on = 1;
    int ipv6 = strchr(url, '[') != NULL;
    int none = 0;
    int reconnect = RECONNECT_MS;
    size_t size = sizeof(int);
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    (void)zmq_msg_init(&req->reply); /* cannot fail: zmq_msg_init(3) */
    req->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    req->timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    req->wait.events = POLLIN;
    req->url = strdup(url);
    if (!req->url)
        goto fail;
    req->ctx = zmq_ctx_new();
    if (!req->ctx)
        goto fail;
    req->socket = zmq_socket(req->ctx, ZMQ_REQ);
    if (!req->socket)
        goto fail;
    /* RELAXED allows a request while another is unanswered (R3). CORRELATE
     * discards a late reply to an earlier request (R2). SNDHWM 0 removes the
     * high-water mark: unanswered requests would reach it and block. */
    if (zmq_setsockopt(req->socket, ZMQ_REQ_RELAXED, &on, sizeof(on)) < 0 ||
        zmq_setsockopt(req->socket, ZMQ_REQ_CORRELATE, &on, sizeof(on)) < 0 ||
        zmq_setsockopt(req->socket, ZMQ_SNDHWM, &none, sizeof(none)) < 0 ||
        zmq_setsockopt(req->socket, ZMQ_LINGER, &none, sizeof(none)) < 0 ||
        zmq_setsockopt(
            req->socket, ZMQ_RECONNECT_IVL, &reconnect, sizeof(int)) < 0 ||
        zmq_setsockopt(req->socket, ZMQ_IPV6, &ipv6, sizeof(ipv6)) < 0 ||
        zmq_getsockopt(req->socket, ZMQ_FD, &req->wait.fd, &size) < 0 ||
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
    req->pending = false;
    int result = zmq_send(req->socket, data, len, ZMQ_DONTWAIT);
    if (result < 0 && errno == EAGAIN) {
        /* The connection's queue has no limit, so there is no connection: the
         * library ends it for good when the server violates the protocol
         * (engine_error() in session_base.cpp), such as by a reply without the
         * empty part. Without DONTWAIT, zmq_send() would wait for ever. */
        (void)zmq_disconnect(req->socket, req->url); /* may be gone */
        if (zmq_connect(req->socket, req->url) < 0)
            return -1;
        result = zmq_send(req->socket, data, len, ZMQ_DONTWAIT);
    }
    if (result < 0)
        return -1;
    req->pending = true;
    return 0;
}

ssize_t
req_recv(struct req *req, const void **data)
{
    /* Out of turn: R9. After a time-out, the socket would wait once more. */
    if (!req->pending) {
        errno = EFSM;
        return -1;
    }
    int64_t deadline = clock_deadline(req->timeout_ms);
    sig_atomic_t seen = interrupts;
    while (receive(req->socket, &req->reply) < 0) {
        if (errno == EAGAIN &&
            wait_readable(&req->wait, 1, deadline, seen) == 0)
            continue;
        req->pending = errno == EINTR;
        return -1;
    }
    req->pending = false;
    /* ZMQ_MAXMSGSIZE would not do: on the connecting side, one message over it
     * closes the connection, and the library does not open it again (R8). */
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
    (void)zmq_msg_close(&req->reply); /* fails only for an invalid one */
    if (req->socket)
        (void)zmq_close(req->socket); /* likewise */
    while (req->ctx && zmq_ctx_term(req->ctx) < 0 && errno == EINTR)
        ;
    free(req->url);
    free(req);
}

int
rep_open(struct rep **ret, const char *url, const struct tuning *tuning)
{
    int ipv6 = strchr(url, '[') != NULL;
    int handshake = HANDSHAKE_MS;
    int linger = LINGER_MS;
    int replies = REPLIES_MAX;
    size_t size = sizeof(int);
    int64_t max = tuning->message_max ? (int64_t)tuning->message_max : -1;
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    (void)zmq_msg_init(&rep->request);
    rep->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    rep->timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    rep->wait[0].events = rep->wait[1].events = POLLIN;
    rep->ctx = zmq_ctx_new();
    if (!rep->ctx)
        goto fail;
    rep->socket = zmq_socket(rep->ctx, ZMQ_REP);
    if (!rep->socket)
        goto fail;
    /* A ZAP domain makes the library refuse peers older than ZMTP 3, and so
     * anything that looks like one, such as an HTTP request (R7). */
    if (zmq_setsockopt(rep->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) < 0 ||
        zmq_setsockopt(
            rep->socket, ZMQ_HANDSHAKE_IVL, &handshake, sizeof(int)) < 0 ||
        zmq_setsockopt(rep->socket, ZMQ_ZAP_DOMAIN, "triptych", 8) < 0 ||
        zmq_setsockopt(rep->socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
        zmq_setsockopt(rep->socket, ZMQ_SNDHWM, &replies, sizeof(replies)) <
            0 ||
        zmq_setsockopt(rep->socket, ZMQ_IPV6, &ipv6, sizeof(ipv6)) < 0 ||
        zmq_getsockopt(rep->socket, ZMQ_FD, &rep->wait[0].fd, &size) < 0)
        goto fail;
    if (refusals_watch(
            &rep->refusals, rep->ctx, rep->socket, &rep->wait[1].fd) < 0 ||
        zmq_bind(rep->socket, url) < 0 || ipc_path_take(&rep->path, url) < 0)
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
    int64_t deadline = clock_deadline(rep->timeout_ms);
    sig_atomic_t seen = interrupts;
    while (receive(rep->socket, &rep->request) < 0) {
        if (errno != EAGAIN || wait_readable(rep->wait, 2, deadline, seen) < 0)
            return -1;
        if (rep->wait[1].revents != 0)
            refusals_read(&rep->refusals);
    }
    refusals_turn(&rep->refusals);
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
    /* The library drops a reply that its client does not take: R6. */
    return zmq_send(rep->socket, data, len, 0) < 0 ? -1 : 0;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    (void)zmq_msg_close(&rep->request);
    refusals_end(&rep->refusals, rep->socket);
    if (rep->socket)
        (void)zmq_close(rep->socket);
    /* This waits until the last reply is sent (R11), at most LINGER_MS. */
    while (rep->ctx && zmq_ctx_term(rep->ctx) < 0 && errno == EINTR)
        ;
    ipc_path_remove(&rep->path); /* the library never does */
    free(rep);
}

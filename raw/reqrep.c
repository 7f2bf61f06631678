/*
 * Request/reply over plain sockets. A stream has no messages (frame.c makes
 * them), a connection that breaks stays broken (dialer.c makes another), and
 * many clients are many descriptors (loop.c, server.c). What is left here are
 * the two roles: which reply is whose, and whose turn it is.
 */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "conn.h"
#include "dialer.h"
#include "server.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes, unless tuned */
    CLOSE_MS = 500, /* a close waits so long for replies on their way */
};

struct req {
    struct loop loop;
    struct dialer dialer;
    struct framing framing;
    int timeout_ms;
    uint32_t id; /* of the latest request */
    bool asked; /* and its reply is still to come */
};

struct rep {
    struct server server;
    struct framing framing;
    int timeout_ms;
    struct peer *current; /* whose request was received last */
    uint32_t id; /* of that request */
    bool asked; /* and it is still to be answered */
};

/* What the tuning asks for; the defaults are ours, being the library. */
static void
tune(const struct tuning *tuning, struct framing *framing, int *timeout_ms)
{
    framing->ids = true;
    framing->max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    *timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
}

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    tune(tuning, &req->framing, &req->timeout_ms);
    req->dialer.conn.source.fd = -1;
    if (loop_open(&req->loop) < 0 ||
        dialer_open(&req->dialer, &req->loop, url, NULL, NULL) < 0)
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
    struct dialer *dialer = &req->dialer;
    if (len > req->framing.max) {
        errno = EMSGSIZE;
        return -1;
    }
    /* A server that has gone since is noticed here (R5): a first write to it
     * would succeed, and be lost. */
    (void)loop_turn(&req->loop, LOOP_NOW);
    if (dialer->conn.hangup)
        dialer_drop(dialer);
    conn_cancel(&dialer->conn); /* an earlier request that never left: R2 */
    req->asked = true;
    req->id++;
    if (conn_write(&dialer->conn, &req->framing, req->id, data, len) == 0)
        return 0;
    /* Nothing of it has left: it goes out on the next connection. */
    dialer_drop(dialer);
    return conn_write(&dialer->conn, &req->framing, req->id, data, len);
}

ssize_t
req_recv(struct req *req, const void **data)
{
    struct conn *conn = &req->dialer.conn;
    if (!req->asked) {
        errno = EPROTO; /* out of turn: R9 */
        return -1;
    }
    int64_t deadline = clock_deadline(req->timeout_ms);
    for (;;) {
        struct frame frame = {0};
        int found = conn_next(conn, &req->framing, &frame);
        bool too_long = found < 0 && errno == EMSGSIZE;
        if (found > 0 || too_long) {
            if (frame.id != req->id)
                continue; /* a late reply to an earlier request: R2 */
            req->asked = false;
            dialer_prove(&req->dialer);
            *data = frame.data;
            return too_long ? -1 : (ssize_t)frame.len;
        }
        if (found < 0) {
            dialer_drop(&req->dialer); /* that is no framing of ours */
        } else if (conn->readable) {
            if (conn_read(conn) < 0 || conn->ended)
                dialer_drop(&req->dialer);
        } else if (loop_turn(&req->loop, deadline) < 0) {
            req->asked = errno == EINTR;
            return -1;
        }
    }
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    dialer_close(&req->dialer);
    loop_close(&req->loop);
    free(req);
}

int
rep_open(struct rep **ret, const char *url, const struct tuning *tuning)
{
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    tune(tuning, &rep->framing, &rep->timeout_ms);
    if (server_open(&rep->server, url, sizeof(struct peer), NULL) < 0)
        goto fail;
    *ret = rep;
    return 0;
fail:;
    int errnum = errno;
    rep_close(rep);
    errno = errnum;
    return -1;
}

/* The client whose request was lent goes back among the others. */
static void
release(struct rep *rep)
{
    struct peer *peer = rep->current;
    rep->current = NULL;
    rep->asked = false;
    if (!peer)
        return;
    if (peer->conn.source.fd < 0) {
        peer_close(peer); /* it broke while it was answered */
    } else if (conn_has_next(&peer->conn, &rep->framing)) {
        /* It has asked more than once; who else has asked comes next (R6). */
        peer_enqueue(peer);
        (void)loop_turn(&rep->server.loop, LOOP_NOW);
    } else {
        conn_settle(&peer->conn);
    }
}

/* A client's next request: 1; 0: not yet; -1: close it. */
static int
request_of(struct peer *peer, const struct framing *framing, struct frame *ret)
{
    struct conn *conn = &peer->conn;
    int found = conn_next(conn, framing, ret);
    if (found == 0 && conn->readable && !conn->ended) {
        if (conn_read(conn) < 0)
            return -1;
        found = conn_next(conn, framing, ret);
    }
    if (found == 0 && conn->ended && conn_pending(conn) == 0)
        return -1; /* else its last reply is still on its way */
    return found; /* a frame too long costs the connection, too: R7, R8 */
}

ssize_t
rep_recv(struct rep *rep, const void **data)
{
    int64_t deadline = clock_deadline(rep->timeout_ms);
    release(rep);
    for (;;) {
        struct frame frame;
        struct peer *peer = server_next(&rep->server);
        if (!peer) {
            if (loop_turn(&rep->server.loop, deadline) < 0)
                return -1;
            continue;
        }
        int found = request_of(peer, &rep->framing, &frame);
        if (found < 0) {
            peer_close(peer);
        } else if (found == 0) {
            conn_settle(&peer->conn);
        } else {
            rep->current = peer;
            rep->id = frame.id;
            rep->asked = true;
            *data = frame.data;
            return (ssize_t)frame.len;
        }
    }
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    if (!rep->asked) {
        errno = EPROTO; /* out of turn: R9 */
        return -1;
    }
    if (len > rep->framing.max) {
        errno = EMSGSIZE;
        return -1;
    }
    struct conn *conn = &rep->current->conn;
    rep->asked = false;
    /* Kept for a client that does not read: the rest of a reply, and this (R6).
     */
    conn_cancel(conn);
    if (conn_write(conn, &rep->framing, rep->id, data, len) < 0)
        conn_detach(conn); /* it has gone; its request stays lent */
    return 0;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    server_finish(&rep->server, clock_deadline(CLOSE_MS));
    server_close(&rep->server);
    free(rep);
}

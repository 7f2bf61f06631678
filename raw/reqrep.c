/*
 * Request/reply over plain sockets. A stream has no message boundaries: frame.c
 * adds them. A broken connection stays broken: dialer.c makes a new one. Every
 * client is a descriptor of its own: server.c and loop.c wait for all. This
 * file matches replies with requests, and decides which client is next.
 */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "conn.h"
#include "dialer.h"
#include "server.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes; the default of message_max */
    LINGER_MS = 500, /* rep_close() waits at most so long for queued replies */
};

struct req {
    struct loop loop;
    struct dialer dialer;
    struct framing framing;
    int timeout_ms;
    uint32_t id; /* of the latest request */
    bool pending; /* its reply has not been received */
};

struct rep {
    struct server server;
    struct framing framing;
    int timeout_ms;
    struct peer *current; /* the client whose request was received last */
    uint32_t id; /* of that request */
    bool pending; /* it has not been answered */
};

/* Applies the tuning. There is no library, so the defaults are set here. */
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
    /* This notices a server that has gone (R5): over TCP, the first write to it
     * would succeed, and the request would be lost. Over ipc it fails. */
    if (!endpoint_is_ipc(&dialer->address))
        (void)loop_turn(&req->loop, LOOP_NOW);
    if (dialer->conn.hangup)
        dialer_reconnect(dialer);
    conn_cancel(&dialer->conn); /* drops an earlier request, still unsent: R2 */
    req->id++;
    int result = conn_write(&dialer->conn, &req->framing, req->id, data, len);
    if (result < 0) {
        dialer_reconnect(dialer); /* the next connection sends the request */
        result = conn_write(&dialer->conn, &req->framing, req->id, data, len);
    }
    req->pending = result == 0;
    return result;
}

ssize_t
req_recv(struct req *req, const void **data)
{
    struct conn *conn = &req->dialer.conn;
    if (!req->pending) {
        errno = EPROTO; /* out of turn: R9 */
        return -1;
    }
    int64_t deadline = clock_deadline(req->timeout_ms);
    for (;;) {
        struct frame frame = {0};
        int found = conn_next_frame(conn, &req->framing, &frame);
        bool too_long = found < 0 && errno == EMSGSIZE;
        if (found > 0 || too_long) {
            if (frame.id != req->id)
                continue; /* a late reply to an earlier request: R2 */
            req->pending = false;
            dialer_reset_backoff(&req->dialer);
            *data = frame.data;
            return too_long ? -1 : (ssize_t)frame.len;
        }
        if (found < 0) {
            dialer_reconnect(&req->dialer); /* not our framing */
        } else if (conn->readable) {
            if (conn_read(conn) < 0 || conn->ended)
                dialer_reconnect(&req->dialer);
        } else if (loop_turn(&req->loop, deadline) < 0) {
            req->pending = errno == EINTR;
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

/* Ends the loan of the current request: its client may be read again. */
static void
release_current(struct rep *rep)
{
    struct peer *peer = rep->current;
    rep->current = NULL;
    rep->pending = false;
    if (!peer)
        return;
    if (peer->conn.source.fd < 0) {
        peer_close(peer); /* it broke when the reply was sent */
    } else if (conn_has_frame(&peer->conn, &rep->framing)) {
        /* It sent several requests: it goes to the end of the queue, and a turn
         * of the loop finds the other clients that are ready (R6). */
        peer_enqueue(peer);
        (void)loop_turn(&rep->server.loop, LOOP_NOW);
    } else {
        conn_shrink(&peer->conn);
    }
}

/* Takes a client's next request. 1: there is one; 0: not yet; -1: close it. */
static int
next_request(
    struct peer *peer, const struct framing *framing, struct frame *ret)
{
    struct conn *conn = &peer->conn;
    int found = conn_next_frame(conn, framing, ret);
    if (found == 0 && conn->readable && !conn->ended) {
        if (conn_read(conn) < 0)
            return -1;
        found = conn_next_frame(conn, framing, ret);
    }
    if (found == 0 && conn->ended && conn_pending(conn) == 0)
        return -1; /* it has left, and its last reply is sent */
    return found; /* -1 for a frame that is too long, too: R7, R8 */
}

ssize_t
rep_recv(struct rep *rep, const void **data)
{
    int64_t deadline = clock_deadline(rep->timeout_ms);
    release_current(rep);
    for (;;) {
        struct frame frame;
        struct peer *peer = server_next_peer(&rep->server);
        if (!peer) {
            if (loop_turn(&rep->server.loop, deadline) < 0)
                return -1;
            continue;
        }
        int found = next_request(peer, &rep->framing, &frame);
        if (found < 0) {
            peer_close(peer);
        } else if (found == 0) {
            conn_shrink(&peer->conn);
        } else {
            rep->current = peer;
            rep->id = frame.id;
            rep->pending = true;
            *data = frame.data;
            return (ssize_t)frame.len;
        }
    }
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    if (!rep->pending) {
        errno = EPROTO; /* out of turn: R9 */
        return -1;
    }
    if (len > rep->framing.max) {
        errno = EMSGSIZE;
        return -1;
    }
    struct conn *conn = &rep->current->conn;
    rep->pending = false;
    /* For a client that does not read, at most the rest of one reply and this
     * one are queued; the replies between are dropped (R6). */
    conn_cancel(conn);
    if (conn_write(conn, &rep->framing, rep->id, data, len) < 0)
        conn_detach(conn); /* the client has gone; its request stays lent */
    return 0;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    server_linger(&rep->server, clock_deadline(LINGER_MS));
    server_close(&rep->server);
    free(rep);
}

/*
 * Request/reply over the nn_ API, for two engines: nanomsg, and NNG, which
 * offers the same calls. Both frame the messages, connect again when a
 * connection breaks, and serve many clients, in threads of the library. Left to
 * us: waiting that a signal ends, calls out of turn, limits on lengths, a close
 * that is not too early, and a nanomsg client's request ids. Comments name the
 * engine where the two differ.
 */
#include "pattern.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/tcp.h>

#include "bytes.h"
#include "clock.h"
#include "close.h"
#include "interrupt.h"
#include "ipc_path.h"
#include "receive.h"
#include "reconnect.h"

enum {
    EXCESS = 64 << 20, /* bytes over message_max that a client receives */
    RECONNECT_MS = 100, /* NNG's default is a random time up to 1 s */
    /* NNG: a reply that its client does not take in this time is dropped. With
     * less, a busy machine drops replies that would have been taken. After a
     * drop, the limit is the minimum, and grows by a tenth of the time that
     * passes: clients that never read must not take all of it (measured). */
    REPLY_MS = 200,
    REPLY_MIN_MS = 10,
    REPLY_SHARE = 10,
    /* NNG's REP is ready for ever after a client has sent two requests and gone
     * (rep0_pipe_close() in rep.c). Then nn_recv() waits instead of poll().
     *
     * Such a client may also cost the descriptors of all connections that end
     * from then on (R7 is narrowed for it). When a reply fails, REP closes the
     * connection. If the client's next request has come up to its length, then
     * tcptran_pipe_recv_cb() in tcp.c goes on with a stopped aio, and
     * nni_aio_begin() refuses it without calling back. So the receive never
     * ends, and the thread that frees connections waits for it (NNG 1.5.2; pull
     * request 1636 corrects this in 1.6.0). The panel cannot prevent it: the
     * library receives on as soon as nn_recv() takes a request, in raw mode,
     * too, and no option changes that, or that the length is read alone.
     */
    RECEIVE_MS = 20, /* no signal ends it */
#ifdef NNG_COMPAT_NN_H
    RECEIVE_FLAGS = 0,
    REQ_DOMAIN = AF_SP,
#else
    RECEIVE_FLAGS = NN_DONTWAIT,
    REQ_DOMAIN = AF_SP_RAW, /* see pass_request() */
    ID_SIZE = 4,
    LATE_MAX = 100, /* replies that are dropped at once */
    LATE_MS = 20, /* in which nanomsg notices that the connection has ended; the
                     next request waits so long, or until its time-out */
#endif
    LINGER_MS = 100, /* nn_close() loses what is still in the library, and
                        NN_LINGER does nothing; a pause of 20 to 50 ms is enough
                        (measured) */
};

#ifndef NNG_COMPAT_NN_H
#define ID_BIT 0x80000000u /* the id of a request; hops are without it */
#endif

struct req {
    int socket;
    struct endpoint endpoint;
    int in, out; /* descriptors: readable when the socket can receive, send */
    void *reply; /* lent to the caller */
    size_t message_max;
    int timeout_ms;
    bool pending; /* the reply to the latest request has not come */
#ifndef NNG_COMPAT_NN_H
    uint32_t id; /* of the latest request, without ID_BIT */
#endif
};

struct rep {
    int socket;
    int in; /* as in struct req */
    void *request; /* lent to the caller */
    size_t message_max;
    int timeout_ms;
    int64_t dropped_at; /* when a reply was dropped last; 0: never */
    int patience_ms; /* as NN_SNDTIMEO is set */
    bool sent; /* some reply, since rep_open() */
    struct ipc_path path; /* to remove; none for TCP */
};

/* Sets the options of both roles, before they bind or connect. */
static int
tune(int socket, const char *url, int receive_max)
{
    int on = 1;
    int reconnect = RECONNECT_MS;
    if (nn_setsockopt(socket, NN_TCP, NN_TCP_NODELAY, &on, sizeof(on)) < 0 ||
        nn_setsockopt(socket, NN_SOL_SOCKET, NN_RECONNECT_IVL, &reconnect,
            sizeof(reconnect)) < 0 ||
        nn_setsockopt(socket, NN_SOL_SOCKET, NN_RCVMAXSIZE, &receive_max,
            sizeof(receive_max)) < 0)
        return -1;
#ifndef NNG_COMPAT_NN_H
    /* In nanomsg IPv6 is off by default; turning it on for an IPv4 address
     * aborts the process. NNG needs no option. */
    int ipv4only = strchr(url, '[') == NULL;
    if (nn_setsockopt(socket, NN_SOL_SOCKET, NN_IPV4ONLY, &ipv4only,
            sizeof(ipv4only)) < 0)
        return -1;
#else
    (void)url;
#endif
    return 0;
}

/* Gets a descriptor that tells when the socket is ready; the socket owns it. */
static int
get_descriptor(int socket, int option, int *ret)
{
    size_t size = sizeof(*ret);
    return nn_getsockopt(socket, NN_SOL_SOCKET, option, ret, &size);
}

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    int max = -1;
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
#ifdef NNG_COMPAT_NN_H
    /* A reply over this limit costs the connection, a shorter one is left to
     * req_recv() (R8). nanomsg gets no limit: its REQ aborts when one closes a
     * connection on which it sends (stcp.c, in the state DONE). */
    if (tuning->message_max > 0 && tuning->message_max < INT_MAX - EXCESS)
        max = (int)tuning->message_max + EXCESS;
#endif
    req->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    req->timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    req->socket = nn_socket(REQ_DOMAIN, NN_REQ);
    if (req->socket < 0)
        goto fail;
    if (tune(req->socket, url, max) < 0 ||
        get_descriptor(req->socket, NN_RCVFD, &req->in) < 0 ||
        get_descriptor(req->socket, NN_SNDFD, &req->out) < 0 ||
        endpoint_open(&req->endpoint, req->socket, url) < 0)
        goto fail;
    *ret = req;
    return 0;
fail:;
    int errnum = errno;
    req_close(req);
    errno = errnum;
    return -1;
}

/*
 * Waits until the socket can receive or send. nn_recv() and nn_send() could
 * wait themselves, but in NNG no signal ends them, and in nanomsg a time-out of
 * nn_recv() drops a request that has not been answered. nn_poll() would look
 * the descriptors up each time. A signal does not end poll() if the socket is
 * ready, so the signals since `seen` count, too.
 */
static int
wait_ready(int descriptor, int64_t deadline, sig_atomic_t seen)
{
    struct pollfd pollfd = {.fd = descriptor, .events = POLLIN};
    if (interrupts != seen) {
        errno = EINTR;
        return -1;
    }
    int ready = poll(&pollfd, 1, clock_left_ms(deadline));
    if (ready == 0)
        errno = ETIMEDOUT; /* R3 */
    return ready > 0 ? 0 : -1;
}

/*
 * Passes a request to the library. NNG's REQ puts an id before it, resends it
 * when the connection breaks, and takes its reply alone. nanomsg's does, too,
 * but a server that lies can make it hand out freed memory: if a frame with
 * another id comes before nn_recv() has taken the reply, nn_req_in() in req.c
 * stores that frame in place of the reply and frees it (state DONE). It also
 * reads all that a server sends, and nn_send() waits meanwhile for its lock
 * (nn_ctx_leave() in ctx.c). So nanomsg's socket is raw: it reads a message
 * only when we ask for one, the id is ours, and nobody resends.
 */
static int
pass_request(struct req *req, const void *data, size_t len)
{
#ifdef NNG_COMPAT_NN_H
    return nn_send(req->socket, data, len, NN_DONTWAIT);
#else
    unsigned char *message = nn_allocmsg(ID_SIZE + len, 0);
    if (!message)
        return -1;
    (void)put_u32(message, ++req->id | ID_BIT); /* R2 */
    if (len > 0)
        memcpy(message + ID_SIZE, data, len);
    int result = nn_send(req->socket, &message, NN_MSG, NN_DONTWAIT);
    if (result < 0) {
        int errnum = errno;
        (void)nn_freemsg(message); /* it is still ours */
        errno = errnum;
    }
    return result;
#endif
}

/*
 * Drops replies that have come too late. nanomsg's raw socket reads on only
 * when a reply is taken. Until then it does not notice that the connection has
 * ended, and a request to that server would be lost.
 */
static void
drop_late(struct req *req, int64_t deadline)
{
#ifndef NNG_COMPAT_NN_H
    void *reply;
    int n = 0;
    while (n < LATE_MAX && /* R5 */
        nn_recv(req->socket, &reply, NN_MSG, NN_DONTWAIT) >= 0) {
        (void)nn_freemsg(reply);
        n++;
    }
    if (n > 0) {
        int64_t until = clock_deadline(LATE_MS);
        /* wait_ready() sees a signal that ends this sleep. */
        (void)clock_sleep(until < deadline ? until : deadline);
    }
#else
    (void)req;
    (void)deadline;
#endif
}

int
req_send(struct req *req, const void *data, size_t len)
{
    if (len > req->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    req->pending = false;
    /* It is ready when it is connected. NNG may also report that it is ready
     * and still refuse to send. */
    int64_t deadline = clock_deadline(req->timeout_ms);
    sig_atomic_t seen = interrupts;
    drop_late(req, deadline);
    do {
        int64_t due = req->endpoint.due; /* R5 */
        int64_t until = due < deadline ? due : deadline;
        if (wait_ready(req->out, until, seen) == 0) {
            if (pass_request(req, data, len) >= 0) {
                req->pending = true;
                return 0;
            }
        } else if (errno == ETIMEDOUT && until < deadline) {
            endpoint_renew(&req->endpoint);
            errno = EAGAIN;
        }
    } while (errno == EAGAIN);
    return -1;
}

/* Receives a reply to the latest request. EAGAIN: the message is not one. */
static int
receive_reply(struct req *req)
{
#ifdef NNG_COMPAT_NN_H
    return receive(req->socket, &req->reply, NN_DONTWAIT);
#else
    union {
        struct nn_cmsghdr header;
        unsigned char bytes[NN_CMSG_SPACE(sizeof(size_t) + ID_SIZE)];
    } control = {0};
    struct nn_iovec iov = {.iov_base = &req->reply, .iov_len = NN_MSG};
    struct nn_msghdr msghdr = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    int len = nn_recvmsg(req->socket, &msghdr, NN_DONTWAIT);
    /* The library hands on the id apart, after its length: nn_cmsg(3). */
    unsigned char *id = NN_CMSG_DATA(&control.header) + sizeof(size_t);
    if (len < 0 || get_u32(id) == (req->id | ID_BIT)) /* R2 */
        return len;
    (void)nn_freemsg(req->reply);
    req->reply = NULL;
    errno = EAGAIN;
    return -1;
#endif
}

ssize_t
req_recv(struct req *req, const void **data)
{
    /* Out of turn: R9. Without a request, the poll would wait in vain. */
    if (!req->pending) {
        errno = EFSM;
        return -1;
    }
    if (req->reply)
        (void)nn_freemsg(req->reply); /* fails only for an invalid one */
    req->reply = NULL;
    int64_t deadline = clock_deadline(req->timeout_ms);
    sig_atomic_t seen = interrupts;
    int len;
    do {
        if (wait_ready(req->in, deadline, seen) < 0) {
            req->pending = errno == EINTR;
            return -1;
        }
        len = receive_reply(req);
        if (len < 0 && errno == EAGAIN && clock_now() > deadline)
            errno = ETIMEDOUT; /* it is ready, but for what nobody asked */
    } while (len < 0 && errno == EAGAIN);
    req->pending = false;
    if (len < 0)
        return -1;
    if ((size_t)len > req->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    *data = len > 0 ? req->reply : "";
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
        close_socket(req->socket);
    free(req);
}

int
rep_open(struct rep **ret, const char *url, const struct tuning *tuning)
{
    int max = -1;
    int receive = RECEIVE_MS;
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    rep->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    rep->timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
#ifndef NNG_COMPAT_NN_H
    /* nanomsg counts a header of 4 bytes. NNG gets no limit: a client whose
     * long request is refused may stay dead. rep_recv() checks the length (R8).
     */
    if (tuning->message_max > 0 && tuning->message_max < INT_MAX - 4)
        max = (int)tuning->message_max + 4;
#endif
    rep->socket = nn_socket(AF_SP, NN_REP);
    if (rep->socket < 0)
        goto fail;
    if (tune(rep->socket, url, max) < 0 ||
        nn_setsockopt(rep->socket, NN_SOL_SOCKET, NN_RCVTIMEO, &receive,
            sizeof(receive)) < 0 ||
        get_descriptor(rep->socket, NN_RCVFD, &rep->in) < 0)
        goto fail;
    if (nn_bind(rep->socket, url) < 0)
        goto fail;
    if (ipc_path_take(&rep->path, url) < 0)
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
    int len;
    do {
        if (rep->request)
            (void)nn_freemsg(rep->request);
        rep->request = NULL;
        if (wait_ready(rep->in, deadline, seen) < 0)
            return -1;
        len = receive(rep->socket, &rep->request, RECEIVE_FLAGS);
        if (len < 0 && errno == ETIMEDOUT)
            errno = EAGAIN; /* there was none, in spite of poll() */
        /* A request that is too long is skipped (R8). */
    } while (len < 0 ? errno == EAGAIN : (size_t)len > rep->message_max);
    if (len < 0)
        return -1;
    *data = len > 0 ? rep->request : "";
    return len;
}

/* Sets the time that a client has to take its reply. */
static int
set_patience(struct rep *rep)
{
    int64_t ms = (clock_now() - rep->dropped_at) / REPLY_SHARE / CLOCK_MS;
    int limit = ms > REPLY_MS ? REPLY_MS : (int)ms;
    if (limit < REPLY_MIN_MS)
        limit = REPLY_MIN_MS;
    if (limit == rep->patience_ms)
        return 0;
    if (nn_setsockopt(
            rep->socket, NN_SOL_SOCKET, NN_SNDTIMEO, &limit, sizeof(limit)) < 0)
        return -1;
    rep->patience_ms = limit;
    return 0;
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    if (len > rep->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    if (set_patience(rep) < 0)
        return -1;
    if (nn_send(rep->socket, data, len, 0) < 0) {
        if (errno != ETIMEDOUT)
            return -1;
        rep->dropped_at = clock_now(); /* the reply was dropped: R6 */
    }
    rep->sent = true;
    return 0;
}

void
rep_close(struct rep *rep)
{
    if (!rep)
        return;
    int64_t until = clock_deadline(LINGER_MS);
    while (rep->sent && clock_sleep(until) < 0 && errno == EINTR)
        ; /* R11 */
    if (rep->request)
        (void)nn_freemsg(rep->request);
    /* The library removes whatever is at the path. */
    bool others = ipc_path_set_aside(&rep->path);
    if (rep->socket >= 0)
        close_socket(rep->socket);
    if (others)
        ipc_path_put_back(&rep->path);
    ipc_path_remove(&rep->path);
    free(rep);
}

/*
 * Request/reply over the nn_ API, for two engines: nanomsg, and NNG, which
 * offers the same calls. Both frame the messages, connect again when a
 * connection breaks, and serve many clients, in threads of the library. Left to
 * us: waiting that heeds signals, whose turn it is, lengths, and not closing
 * too soon. Where the engines differ, the line says so.
 */
#include "pattern.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/tcp.h>

#include "clock.h"

enum {
    RECONNECT_MS = 100, /* NNG: a random time to 1 s, else */
    REPLY_MS = 50, /* a reply that its client does not take in it is dropped;
                      shorter, and a busy machine loses good ones (measured) */
    LINGER_MS = 100, /* closing loses what is still in the library: NN_LINGER
                       does nothing; 20 to 50 ms suffice (measured) */
    CLOSE_MAX_MS = 300, /* for NNG's nn_close() itself */
};

struct req {
    int socket;
    void *reply; /* lent to the caller */
    size_t message_max;
    int timeout_ms;
    bool pending; /* and the reply is still to come */
};

struct rep {
    int socket;
    void *request; /* lent to the caller */
    size_t message_max;
    int timeout_ms;
    bool sent;
    char *path; /* of ipc, bound: to be removed */
};

/* What both roles set, before they bind or connect. */
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
    /* nanomsg: IPv6 is off by default. Turned on for an IPv4 address, it aborts
     * the process; NNG needs nothing. */
    int ipv4only = strchr(url, '[') == NULL;
    if (nn_setsockopt(socket, NN_SOL_SOCKET, NN_IPV4ONLY, &ipv4only,
            sizeof(ipv4only)) < 0)
        return -1;
#else
    (void)url;
#endif
    return 0;
}

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    req->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    req->timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    req->socket = nn_socket(AF_SP, NN_REQ);
    if (req->socket < 0)
        goto fail;
    /* Any length is received, and checked then: to refuse a message is to close
     * the connection, make it again, and be sent the same (R8). */
    if (tune(req->socket, url, -1) < 0 || nn_connect(req->socket, url) < 0)
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
 * Waits until something can be received, or sent. Not in nn_recv() and
 * nn_send(): NNG's heed no signal, and a time-out in nanomsg's nn_recv() drops
 * a request that is still to be answered.
 */
static int
await(int socket, bool out, int64_t deadline)
{
    struct nn_pollfd pollfd = {.fd = socket};
    pollfd.events = out ? NN_POLLOUT : NN_POLLIN;
    int ready = nn_poll(&pollfd, 1, clock_left_ms(deadline));
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 ? 0 : -1;
}

int
req_send(struct req *req, const void *data, size_t len)
{
    if (len > req->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    /* nanomsg keeps a request until it is connected, NNG waits here; NNG may
     * also say that it can send, and then not. */
    int64_t deadline = clock_deadline(req->timeout_ms);
    do {
        if (await(req->socket, true, deadline) < 0)
            return -1;
        if (nn_send(req->socket, data, len, NN_DONTWAIT) >= 0) {
            req->pending = true;
            return 0;
        }
    } while (errno == EAGAIN);
    return -1;
}

ssize_t
req_recv(struct req *req, const void **data)
{
    /* The poll would wait for an answer to nothing: R9 */
    if (!req->pending) {
        errno = EFSM;
        return -1;
    }
    if (req->reply)
        (void)nn_freemsg(req->reply); /* fails for an invalid one only */
    req->reply = NULL;
    int64_t deadline = clock_deadline(req->timeout_ms);
    int len;
    do {
        if (await(req->socket, false, deadline) < 0) {
            req->pending = errno == EINTR;
            return -1;
        }
        len = nn_recv(req->socket, &req->reply, NN_MSG, NN_DONTWAIT);
    } while (len < 0 && errno == EAGAIN);
    req->pending = false;
    if (len < 0)
        return -1;
    if ((size_t)len > req->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    *data = req->reply;
    return len;
}

#ifdef NNG_COMPAT_NN_H
/*
 * NNG's nn_close() may wait for ever for a connection on which something
 * arrives meanwhile (NNG issue 1813; measured: 1 to 10 %). With a limit that
 * refuses whatever arrives it hardly ever does: 1 of some thousands.
 */
static void *
close_it(void *arg)
{
    int socket = (int)(intptr_t)arg;
    int one = 1;
    (void)nn_setsockopt(
        socket, NN_SOL_SOCKET, NN_RCVMAXSIZE, &one, sizeof(one));
    (void)nn_close(socket); /* fails for an invalid one only */
    return NULL;
}
#endif

static void
close_socket(int socket)
{
#ifdef NNG_COMPAT_NN_H
    /* So it has a thread, which is left to itself if it takes too long. */
    pthread_t thread;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail */
    until.tv_sec += (until.tv_nsec + CLOSE_MAX_MS * CLOCK_MS) / CLOCK_S;
    until.tv_nsec = (until.tv_nsec + CLOSE_MAX_MS * CLOCK_MS) % CLOCK_S;
    void *arg = (void *)(intptr_t)socket;
    if (pthread_create(&thread, NULL, close_it, arg) == 0 &&
        pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0)
        (void)pthread_detach(thread);
#else
    while (nn_close(socket) < 0 && errno == EINTR)
        ;
#endif
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
    int reply = REPLY_MS;
    int max = -1;
    struct rep *rep = calloc(1, sizeof(*rep));
    if (!rep)
        return -1;
    rep->message_max = tuning->message_max ? tuning->message_max : SIZE_MAX;
    rep->timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
#ifndef NNG_COMPAT_NN_H
    /* nanomsg counts a header of 4 bytes. NNG: a client that is refused during
     * a long send may stay dead, so the length is checked in rep_recv() (R8).
     */
    if (tuning->message_max > 0 && tuning->message_max < INT_MAX - 4)
        max = (int)tuning->message_max + 4;
#endif
    rep->socket = nn_socket(AF_SP, NN_REP);
    if (rep->socket < 0)
        goto fail;
    if (tune(rep->socket, url, max) < 0 ||
        nn_setsockopt(
            rep->socket, NN_SOL_SOCKET, NN_SNDTIMEO, &reply, sizeof(reply)) < 0)
        goto fail;
    if (nn_bind(rep->socket, url) < 0)
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
    int64_t deadline = clock_deadline(rep->timeout_ms);
    int len;
    do {
        if (rep->request)
            (void)nn_freemsg(rep->request);
        rep->request = NULL;
        if (await(rep->socket, false, deadline) < 0)
            return -1;
        len = nn_recv(rep->socket, &rep->request, NN_MSG, NN_DONTWAIT);
        /* One that is too long is no request: the next one, please (R8). */
    } while (len < 0 ? errno == EAGAIN : (size_t)len > rep->message_max);
    if (len < 0)
        return -1;
    *data = rep->request;
    return len;
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    if (len > rep->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    if (nn_send(rep->socket, data, len, 0) < 0 && errno != ETIMEDOUT)
        return -1;
    rep->sent = true; /* or dropped, since its client does not take it: R6 */
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
    if (rep->socket >= 0)
        close_socket(rep->socket);
    if (rep->path)
        (void)unlink(rep->path);
    free(rep->path);
    free(rep);
}

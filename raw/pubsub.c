/*
 * Publish/subscribe over plain sockets. A subscriber tells the publisher its
 * prefixes. The publisher writes each message once, into a log (log.c), in
 * which each subscriber has a cursor (subscriber.c). pub_send() only adds to
 * the log: what has gathered there goes out in large writes, when there is
 * enough of it, or when the program is idle. A slow subscriber stays behind,
 * until the log has forgotten what it has not had; nobody else notices.
 */
#include "pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conn.h"
#include "dialer.h"
#include "log.h"
#include "prefixes.h"
#include "server.h"
#include "subscriber.h"

enum {
    MESSAGE_MAX = 1 << 20, /* bytes, unless tuned */
    QUEUE = 1000, /* messages, unless tuned */
    CLOSE_MS = 500, /* a close waits so long for messages on their way */
    BATCH = 64 << 10, /* bytes gathered before they are written: the system call
                         then costs little beside them (measured) */
    TOLD_MAX = 8 << 20, /* bytes of subscriptions on their way */
    IDLE_TURNS = 16, /* to accept, read and flush all that is there now */
};

struct pub {
    struct server server;
    size_t message_max;
    struct log log;
    uint64_t offered; /* the log's end when subscribers were last served */
    uint64_t needed; /* no subscriber wants anything before it */
    size_t gathered; /* bytes published since then */
};

struct sub {
    struct loop loop;
    struct dialer dialer;
    struct framing framing;
    int timeout_ms;
    struct prefixes prefixes;
};

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    pub->message_max = tuning->message_max ? tuning->message_max : MESSAGE_MAX;
    int queue = tuning->queue != 0 ? tuning->queue : QUEUE;
    if (server_open(&pub->server, url, sizeof(struct subscriber),
            subscriber_leave) < 0 ||
        log_open(&pub->log, (uint64_t)queue) < 0)
        goto fail;
    *ret = pub;
    return 0;
fail:;
    int errnum = errno;
    pub_close(pub);
    errno = errnum;
    return -1;
}

/* One turn: waits, listens to subscribers, writes what they have not had. */
static int
work(struct pub *pub, int64_t deadline)
{
    int result = loop_turn(&pub->server.loop, deadline);
    int errnum = errno;
    struct peer *peer;
    while ((peer = server_next(&pub->server))) {
        if (subscriber_listen((struct subscriber *)peer, &pub->log) < 0)
            peer_close(peer);
    }
    pub->needed = subscribers_serve(&pub->server, &pub->log);
    pub->offered = pub->log.end;
    pub->gathered = 0;
    errno = errnum;
    return result;
}

int
pub_send(struct pub *pub, const void *data, size_t len)
{
    if (len > pub->message_max) {
        errno = EMSGSIZE;
        return -1;
    }
    if (!LIST_EMPTY(&pub->server.peers) &&
        log_append(&pub->log, data, len, pub->needed) < 0)
        return -1;
    pub->gathered += FRAME_LENGTH + len;
    /* A short queue goes out sooner: nothing is forgotten before its turn. */
    if (pub->gathered >= BATCH || pub->log.end - pub->offered >= pub->log.queue)
        (void)work(pub, LOOP_NOW);
    return 0;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    for (int i = 0; i < IDLE_TURNS && work(pub, LOOP_NOW) == 0; i++)
        ;
    if (until_ns == 0)
        return 0;
    while (work(pub, until_ns) == 0)
        ;
    return errno == ETIMEDOUT ? 0 : -1;
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    int64_t deadline = clock_deadline(CLOSE_MS);
    if (pub->log.bytes)
        (void)work(pub, LOOP_NOW);
    listener_close(&pub->server.listener);
    while (!subscribers_served(&pub->server, &pub->log) &&
        (work(pub, deadline) == 0 || errno == EINTR))
        ;
    server_close(&pub->server);
    log_close(&pub->log);
    free(pub);
}

/* Tells the publisher of a prefix: 1 to subscribe, 0 to unsubscribe. */
static int
tell(struct sub *sub, unsigned char what, const void *prefix, size_t len)
{
    static const struct framing framing = {.max = 1 + PREFIX_MAX};
    unsigned char text[1 + PREFIX_MAX];
    if (conn_pending(&sub->dialer.conn) > TOLD_MAX)
        return -1; /* it does not listen: the next connection is told all */
    text[0] = what;
    memcpy(text + 1, prefix, len);
    return conn_write(&sub->dialer.conn, &framing, 0, text, 1 + len);
}

/* A new connection: the publisher knows nothing of us (P4). */
static int
on_connected(void *owner)
{
    struct sub *sub = owner;
    const struct prefix *p;
    conn_cancel(&sub->dialer.conn); /* what was to be told the last one */
    for (p = sub->prefixes.first; p; p = p->next) {
        if (tell(sub, 1, p->bytes, p->len) < 0)
            return -1;
    }
    return 0;
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
    size_t max = tuning->message_max;
    sub->framing.max = max != 0 ? max : MESSAGE_MAX;
    sub->timeout_ms = tuning->timeout_ms != 0 ? tuning->timeout_ms : -1;
    sub->dialer.conn.source.fd = -1;
    if (loop_open(&sub->loop) < 0 ||
        dialer_open(&sub->dialer, &sub->loop, url, on_connected, sub) < 0)
        goto fail;
    *ret = sub;
    return 0;
fail:;
    int errnum = errno;
    sub_close(sub);
    errno = errnum;
    return -1;
}

int
sub_subscribe(struct sub *sub, const void *prefix, size_t len)
{
    if (prefixes_add(&sub->prefixes, prefix, len) < 0)
        return -1;
    if (sub->dialer.state == DIALER_CONNECTED && tell(sub, 1, prefix, len) < 0)
        dialer_drop(&sub->dialer); /* the next connection tells */
    return 0;
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    if (!prefixes_remove(&sub->prefixes, prefix, len))
        return 0;
    if (sub->dialer.state == DIALER_CONNECTED && tell(sub, 0, prefix, len) < 0)
        dialer_drop(&sub->dialer);
    return 0;
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    struct conn *conn = &sub->dialer.conn;
    int64_t deadline = CLOCK_NEVER; /* known when it must be waited for */
    for (;;) {
        struct frame frame;
        int found = conn_next(conn, &sub->framing, &frame);
        if (found > 0) {
            dialer_prove(&sub->dialer);
            *data = frame.data;
            return (ssize_t)frame.len;
        }
        if (found < 0)
            return -1; /* EMSGSIZE: it is passed over by the next call (P7) */
        if (conn->readable) {
            if (conn_read(conn) < 0 || conn->ended)
                dialer_drop(&sub->dialer);
            continue;
        }
        if (deadline == CLOCK_NEVER)
            deadline = clock_deadline(sub->timeout_ms);
        if (loop_turn(&sub->loop, deadline) < 0)
            return -1;
    }
}

void
sub_close(struct sub *sub)
{
    if (!sub)
        return;
    dialer_close(&sub->dialer);
    loop_close(&sub->loop);
    prefixes_clear(&sub->prefixes);
    free(sub);
}

/*
 * Publish/subscribe over plain sockets. A subscriber sends its prefixes to the
 * publisher. The publisher appends each message once to a log (log.c), in which
 * each subscriber has a cursor (subscriber.c). pub_send() only appends. The
 * messages are sent in large writes: when a batch is full, or when the program
 * is idle. A slow subscriber falls behind; once the log forgets messages that
 * it was not sent, it has lost them. The other subscribers are not affected.
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
    MESSAGE_MAX = 1 << 20, /* bytes; the default of message_max */
    QUEUE = 1000, /* messages; the default of queue */
    LINGER_MS = 500, /* pub_close() waits at most so long for unsent messages */
    BATCH = 256 << 10, /* bytes published between two writes. Each write wakes a
                          subscriber that waits: with 64 KiB, publishing took
                          1.3 to 2 times as long (measured) */
    SUBSCRIPTIONS_MAX = 8 << 20, /* bytes of unsent subscriptions */
    READS = 16, /* subscribers read in a turn; then the events have theirs */
    IDLE_TURNS = 16, /* at most, to accept, read and write what is ready now */
};

struct pub {
    struct server server;
    size_t message_max;
    struct log log;
    uint64_t flushed; /* the log's end at the last flush */
    size_t batched; /* bytes published since that flush */
    uint64_t needed; /* the first message that some subscriber needs */
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
            subscriber_cleanup) < 0 ||
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

/* Waits for events, reads subscriptions, and writes messages: one turn. */
static int
run_turn(struct pub *pub, int64_t deadline)
{
    int result = loop_turn(&pub->server.loop, deadline);
    int errnum = errno;
    struct peer *peer;
    for (int i = 0; i < READS && (peer = server_next_peer(&pub->server)); i++) {
        if (subscriber_read((struct subscriber *)peer, &pub->log) < 0)
            peer_close(peer);
    }
    pub->server.loop.unfinished = !TAILQ_EMPTY(&pub->server.queue);
    pub->needed = subscribers_flush(&pub->server, &pub->log);
    pub->flushed = pub->log.end;
    pub->batched = 0;
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
    if (!LIST_EMPTY(&pub->server.peers) && /* P5 */
        log_append(&pub->log, data, len, pub->needed) < 0)
        return -1;
    pub->batched += FRAME_LENGTH + len;
    /* A short queue is flushed sooner, before the log forgets messages. */
    if (pub->batched >= BATCH || pub->log.end - pub->flushed >= pub->log.queue)
        (void)run_turn(pub, LOOP_NOW);
    return 0;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    for (int i = 0; i < IDLE_TURNS && run_turn(pub, LOOP_NOW) == 0; i++)
        ;
    if (until_ns == 0)
        return 0;
    while (run_turn(pub, until_ns) == 0)
        ;
    return errno == ETIMEDOUT ? 0 : -1;
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    int64_t deadline = clock_deadline(LINGER_MS);
    if (pub->log.bytes)
        (void)run_turn(pub, LOOP_NOW);
    listener_close(&pub->server.listener);
    while (!subscribers_up_to_date(&pub->server) && /* P6 */
        (run_turn(pub, deadline) == 0 || errno == EINTR))
        ;
    server_close(&pub->server);
    log_close(&pub->log);
    free(pub);
}

/* Sends the publisher a prefix: 1 to subscribe, 0 to unsubscribe. */
static int
send_subscription(
    struct sub *sub, unsigned char what, const void *prefix, size_t len)
{
    static const struct framing framing = {.max = 1 + PREFIX_MAX};
    unsigned char text[1 + PREFIX_MAX];
    if (conn_pending(&sub->dialer.conn) > SUBSCRIPTIONS_MAX)
        return -1; /* the publisher does not read them */
    text[0] = what;
    memcpy(text + 1, prefix, len);
    return conn_write(&sub->dialer.conn, &framing, 0, text, 1 + len);
}

/* Sends all prefixes: a publisher does not know a new connection's (P4). */
static int
on_connected(void *owner)
{
    struct sub *sub = owner;
    const struct prefix *p;
    conn_cancel(&sub->dialer.conn); /* subscriptions left from the last one */
    LIST_FOREACH(p, &sub->prefixes.nodes, all)
    {
        if (!p->fork && send_subscription(sub, 1, p->bytes, p->bits / 8) < 0)
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
    if (sub->dialer.state == DIALER_CONNECTED &&
        send_subscription(sub, 1, prefix, len) < 0)
        dialer_reconnect(
            &sub->dialer); /* all are sent on the next connection */
    return 0;
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    if (!prefixes_remove(&sub->prefixes, prefix, len))
        return 0;
    if (sub->dialer.state == DIALER_CONNECTED &&
        send_subscription(sub, 0, prefix, len) < 0)
        dialer_reconnect(&sub->dialer);
    return 0;
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    struct conn *conn = &sub->dialer.conn;
    int64_t deadline = CLOCK_NEVER; /* set before the first wait */
    for (;;) {
        struct frame frame;
        int found = conn_next_frame(conn, &sub->framing, &frame);
        if (found > 0) {
            dialer_reset_backoff(&sub->dialer);
            *data = frame.data;
            return (ssize_t)frame.len;
        }
        if (found < 0)
            return -1; /* EMSGSIZE: the next call discards it (P7) */
        if (conn->readable) {
            if (conn_read(conn) < 0 || conn->ended)
                dialer_reconnect(&sub->dialer);
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

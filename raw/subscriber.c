/*
 * Subscribers. A subscriber has no queue of its own: it has a cursor, and the
 * log returns what matches from there on in a few large pieces. When the
 * connection takes no more, the cursor says at which byte of which message the
 * write stopped, and the log keeps the rest. If it cannot, the connection is
 * closed: nothing can follow half a message.
 */
#include "subscriber.h"

enum {
    PIECES = 64, /* pieces of the log in one write */
    WRITE_MAX = 256 << 10, /* bytes after which no frame is added to a write */
    READ_MAX = 64, /* subscriptions taken in a turn; the rest waits for the next
                      one, so that a storm of them holds up nobody */
};

static const struct framing subscriptions = {.max = 1 + PREFIX_MAX};

int
subscriber_read(struct subscriber *subscriber, struct log *log)
{
    struct conn *conn = &subscriber->peer.conn;
    struct prefixes *prefixes = &subscriber->prefixes;
    struct frame frame;
    int found = 0;
    if (!conn_has_frame(conn, &subscriptions) && conn->readable &&
        conn_read(conn) < 0)
        return -1;
    for (int i = 0; i < READ_MAX; i++) {
        found = conn_next_frame(conn, &subscriptions, &frame);
        if (found <= 0)
            break;
        if (frame.len < 1 || frame.data[0] > 1) /* P7 */
            return -1;
        if (prefixes->count == 0)
            subscriber->cursor.next = log->end; /* what comes from now on */
        subscriber->log = log;
        if (frame.data[0] == 0)
            (void)prefixes_remove(prefixes, frame.data + 1, frame.len - 1);
        else if (prefixes_add(prefixes, frame.data + 1, frame.len - 1) < 0)
            return -1;
    }
    if (found > 0)
        peer_enqueue(&subscriber->peer);
    else
        conn_shrink(conn);
    return found < 0 || conn->ended ? -1 : 0;
}

void
subscriber_cleanup(struct peer *peer)
{
    struct subscriber *subscriber = (struct subscriber *)peer;
    if (subscriber->log)
        log_release(subscriber->log, &subscriber->cursor);
    prefixes_clear(&subscriber->prefixes);
}

static bool
is_up_to_date(const struct subscriber *subscriber)
{
    const struct cursor *cursor = &subscriber->cursor;
    return !subscriber->log ||
        (cursor->next >= subscriber->log->end && cursor->sent == 0);
}

/* Writes to one subscriber what it has not been sent. -1: close it. */
static int
flush(struct subscriber *subscriber)
{
    struct log *log = subscriber->log;
    struct conn *conn = &subscriber->peer.conn;
    struct cursor *cursor = &subscriber->cursor;
    const struct prefixes *prefixes = &subscriber->prefixes;
    while (!is_up_to_date(subscriber)) {
        struct iovec iov[PIECES];
        uint64_t next;
        if (log_has_lost(log, cursor))
            return -1;
        if (conn->full) /* nothing waits for a connection: P3 */
            return 0;
        int count =
            log_collect(log, cursor, prefixes, iov, PIECES, WRITE_MAX, &next);
        size_t total = 0;
        for (int i = 0; i < count; i++)
            total += iov[i].iov_len;
        ssize_t sent = total > 0 ? conn_send(conn, iov, count) : 0;
        if (sent < 0)
            return -1;
        if ((size_t)sent < total) {
            log_move(log, cursor, prefixes, (size_t)sent);
            conn_await_room(conn);
        } else {
            log_release(log, cursor);
            cursor->next = next;
        }
    }
    return 0;
}

/* The number of the first message that it needs; if none, the largest. */
static uint64_t
needed_by(const struct subscriber *subscriber)
{
    const struct cursor *cursor = &subscriber->cursor;
    if (is_up_to_date(subscriber))
        return UINT64_MAX;
    return cursor->sent > 0 ? cursor->begun : cursor->next;
}

uint64_t
subscribers_flush(struct server *server, const struct log *log)
{
    uint64_t needed = log->end;
    struct peer *next;
    for (struct peer *p = LIST_FIRST(&server->peers); p; p = next) {
        struct subscriber *subscriber = (struct subscriber *)p;
        next = LIST_NEXT(p, all);
        if (flush(subscriber) < 0)
            peer_close(p);
        else if (needed_by(subscriber) < needed)
            needed = needed_by(subscriber);
    }
    return needed;
}

bool
subscribers_up_to_date(const struct server *server)
{
    const struct peer *p;
    LIST_FOREACH(p, &server->peers, all)
    {
        if (!is_up_to_date((const struct subscriber *)p))
            return false;
    }
    return true;
}

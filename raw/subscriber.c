/*
 * Subscribers. A subscriber has no queue of its own: its cursor is the number
 * of its next message, and the log returns what matches from there on in a few
 * large pieces. When the connection takes no more, it queues the rest of the
 * message at which the write stopped: the log may forget that message while the
 * peer has only half of it. The cursor does not move until that rest is sent.
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
subscriber_read(struct subscriber *subscriber, const struct log *log)
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
        if (frame.len < 1 || frame.data[0] > 1)
            return -1;
        if (prefixes->count == 0)
            subscriber->cursor = log->end; /* it gets what comes from now on */
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
    prefixes_clear(&((struct subscriber *)peer)->prefixes);
}

/* Writes to one subscriber what it has not been sent. -1: close it. */
static int
flush(struct subscriber *subscriber, const struct log *log)
{
    struct conn *conn = &subscriber->peer.conn;
    const struct prefixes *prefixes = &subscriber->prefixes;
    while (subscriber->cursor < log->end && conn_pending(conn) == 0) {
        struct iovec iov[PIECES];
        uint64_t next = subscriber->cursor;
        int count = log_collect(log, &next, prefixes, iov, PIECES, WRITE_MAX);
        size_t total = 0;
        for (int i = 0; i < count; i++)
            total += iov[i].iov_len;
        ssize_t sent = total > 0 ? conn_send(conn, iov, count) : 0;
        if (sent < 0)
            return -1;
        if ((size_t)sent == total) {
            subscriber->cursor = next;
            continue;
        }
        struct iovec rest =
            log_resume(log, &subscriber->cursor, prefixes, (size_t)sent);
        if (conn_queue(conn, &rest, 1, 0) < 0)
            return -1;
    }
    return 0;
}

uint64_t
subscribers_flush(struct server *server, const struct log *log)
{
    uint64_t needed = log->end;
    struct peer *next;
    for (struct peer *p = LIST_FIRST(&server->peers); p; p = next) {
        struct subscriber *subscriber = (struct subscriber *)p;
        next = LIST_NEXT(p, all);
        if (flush(subscriber, log) < 0)
            peer_close(p);
        else if (subscriber->cursor < needed)
            needed = subscriber->cursor;
    }
    return needed;
}

static bool
is_up_to_date(const struct subscriber *subscriber, const struct log *log)
{
    return subscriber->cursor >= log->end &&
        conn_pending(&subscriber->peer.conn) == 0;
}

bool
subscribers_up_to_date(const struct server *server, const struct log *log)
{
    const struct peer *p;
    LIST_FOREACH(p, &server->peers, all)
    {
        if (!is_up_to_date((const struct subscriber *)p, log))
            return false;
    }
    return true;
}

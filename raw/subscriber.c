/*
 * Subscribers. What one is to have next is a number, its cursor; from there
 * the log gives what it wants in a few large pieces. When it takes no more, the
 * message at which it stopped is set aside, whole or the rest of it, since half
 * of a message may be on its way when the log forgets it; the connection writes
 * that when it can, and the cursor waits.
 */
#include "subscriber.h"

enum {
    PIECES = 64, /* of the log, in one write */
    WRITE_MAX = 256 << 10, /* bytes in one write, about */
};

/* Both ways, a frame is a length and bytes. */
static const struct framing subscriptions = {.max = 1 + PREFIX_MAX};

int
subscriber_listen(struct subscriber *subscriber, const struct log *log)
{
    struct conn *conn = &subscriber->peer.conn;
    struct prefixes *prefixes = &subscriber->prefixes;
    struct frame frame;
    int found;
    if (conn->readable && conn_read(conn) < 0)
        return -1;
    while ((found = conn_next(conn, &subscriptions, &frame)) > 0) {
        if (frame.len < 1 || frame.data[0] > 1)
            return -1;
        if (prefixes->count == 0)
            subscriber->cursor = log->end; /* what it wants begins now */
        if (frame.data[0] == 0)
            (void)prefixes_remove(prefixes, frame.data + 1, frame.len - 1);
        else if (prefixes_add(prefixes, frame.data + 1, frame.len - 1) < 0)
            return -1;
    }
    conn_settle(conn);
    return found < 0 || conn->ended ? -1 : 0;
}

void
subscriber_leave(struct peer *peer)
{
    prefixes_clear(&((struct subscriber *)peer)->prefixes);
}

/* Writes one what it has not had. -1: close it. */
static int
serve(struct subscriber *subscriber, const struct log *log)
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
        if (conn_keep(conn, &rest, 1, 0) < 0)
            return -1;
    }
    return 0;
}

uint64_t
subscribers_serve(struct server *server, const struct log *log)
{
    uint64_t needed = log->end;
    struct peer *next;
    for (struct peer *p = LIST_FIRST(&server->peers); p; p = next) {
        struct subscriber *subscriber = (struct subscriber *)p;
        next = LIST_NEXT(p, all);
        if (serve(subscriber, log) < 0)
            peer_close(p);
        else if (subscriber->cursor < needed)
            needed = subscriber->cursor;
    }
    return needed;
}

static bool
is_served(const struct subscriber *subscriber, const struct log *log)
{
    return subscriber->cursor >= log->end &&
        conn_pending(&subscriber->peer.conn) == 0;
}

bool
subscribers_served(const struct server *server, const struct log *log)
{
    const struct peer *p;
    LIST_FOREACH(p, &server->peers, all)
    {
        if (!is_served((const struct subscriber *)p, log))
            return false;
    }
    return true;
}

/*
 * A connection is a descriptor and two buffers. It has two states:
 *
 *     unconnected --conn_attach()--> connected --conn_detach()--> unconnected
 *
 * Unconnected, it queues what is written to it. Connected, it sends at once
 * what the kernel takes, and queues the rest; as long as something is queued,
 * or its owner waits for room, the loop reports when there is room.
 *
 * Three flags say what the loop has reported. `readable`: a read would return
 * bytes or the end of the stream. `hangup`: the peer has closed its end, or the
 * connection is broken; bytes that it sent before may still be unread. `ended`:
 * a read has returned the end. A function that finds the connection broken
 * returns -1, and its owner detaches or closes it.
 *
 * Incoming. A read may end in the middle of a frame. conn_next_frame() returns
 * frames where they lie in the buffer, without a copy; an incomplete one waits
 * for the next read. The buffer doubles when it is full and never earlier, so
 * memory follows the bytes received, whatever length a peer claims. A frame
 * over the limit is not stored: `skip` counts the bytes still to be discarded.
 *
 * Outgoing. A write may end in the middle of a frame, too:
 *
 *       start              begun                        end
 *         |                  |                           |
 *         v                  v                           v
 *     ----+------------------+-------------+-------------+----
 *         | rest of a frame  |    frame    |    frame    |
 *     ----+------------------+-------------+-------------+----
 *
 * The peer has the first part of the frame that ends at `begun`, so the rest
 * must follow on this connection, and on no other. conn_cancel() may drop only
 * what lies behind `begun`. conn_detach() drops what lies before it and keeps
 * the frames behind it for the next connection. If no frame is partly sent,
 * begun is not greater than start. Where frames end is not recorded: once the
 * sending passes `begun`, all that is left counts as partly sent. That is exact
 * for requests and replies, of which at most one is queued behind `begun`; and
 * subscriptions are all sent again on a new connection.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

enum {
    READ_SIZE = 256 << 10, /* bytes of the first buffer: a read then takes up to
                              a whole batch of a publisher */
    SPARE_MAX = 4 << 20, /* bytes; a larger buffer is freed, not shared */
    SHRINK_MIN = 256, /* bytes; a buffer of this size is small enough */
    SHRINK_PART = 16, /* a buffer filled to 1/16 is worth keeping */
    JOIN_MAX = 1024, /* bytes; a message up to this length is copied behind its
                        head, which costs less than passing the kernel two
                        pieces (measured) */
    DRAIN_MAX = 16, /* reads before a close: a peer that never stops sending
                       must not hold it up */
};

void
conn_open(struct conn *ret, struct loop *loop, struct buffer *spare)
{
    *ret = (struct conn){
        .loop = loop,
        .spare = spare,
        .source.fd = -1,
    };
}

int
conn_attach(
    struct conn *conn, int fd, void (*ready)(void *, uint32_t), void *owner)
{
    conn->source = (struct source){
        .fd = fd,
        .events = EPOLLIN | EPOLLRDHUP,
        .ready = ready,
        .owner = owner,
    };
    conn->full = conn->readable = conn->hangup = conn->ended = false;
    if (loop_add(conn->loop, &conn->source) < 0) {
        conn->source.fd = -1;
        return -1;
    }
    return 0;
}

/* Tells the loop what to wait for: input until its end, and room. */
static void
update_events(struct conn *conn)
{
    uint32_t events = conn->ended ? 0 : EPOLLIN | EPOLLRDHUP;
    if (conn->full || conn_pending(conn) > 0)
        events |= EPOLLOUT;
    loop_change(conn->loop, &conn->source, events);
}

static void
buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

static int
buffer_resize(struct buffer *buffer, size_t size)
{
    unsigned char *data = realloc(buffer->data, size);
    if (!data)
        return -1;
    buffer->data = data;
    buffer->size = size;
    return 0;
}

static void
buffer_compact(struct buffer *buffer)
{
    size_t len = buffer->end - buffer->start;
    if (buffer->start == 0)
        return;
    if (len > 0)
        memmove(buffer->data, buffer->data + buffer->start, len);
    buffer->start = 0;
    buffer->end = len;
}

ssize_t
conn_send(struct conn *conn, const struct iovec *iov, int count)
{
    struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)iov, /* only read from */
        .msg_iovlen = (size_t)count,
    };
    ssize_t n;
    do {
        /* For one piece, send() spares the kernel copying a list. */
        n = count == 1
            ? send(conn->source.fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
            : sendmsg(conn->source.fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
        return 0;
    return n;
}

void
conn_await_room(struct conn *conn)
{
    conn->full = true;
    update_events(conn);
}

int
conn_flush(struct conn *conn)
{
    struct buffer *out = &conn->out;
    while (out->start < out->end) { /* a write may be short: R1 */
        struct iovec iov = {
            .iov_base = out->data + out->start,
            .iov_len = out->end - out->start,
        };
        ssize_t n = conn_send(conn, &iov, 1);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        out->start += (size_t)n;
        if (out->start > conn->begun)
            conn->begun = out->end; /* where frames end is not recorded */
    }
    if (out->start == out->end) {
        buffer_free(out);
        conn->begun = 0;
    }
    update_events(conn);
    return 0;
}

int
conn_ready(struct conn *conn, uint32_t events)
{
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        conn->hangup = true;
    if (events & ~(uint32_t)EPOLLOUT)
        conn->readable = true;
    if (!(events & EPOLLOUT))
        return 0;
    conn->full = false;
    return conn_flush(conn);
}

/* Makes room to receive into: the spare buffer, or a new or a larger one. */
static int
make_room(struct conn *conn)
{
    struct buffer *in = &conn->in;
    if (!in->data && conn->spare) {
        *in = *conn->spare;
        *conn->spare = (struct buffer){0};
    }
    if (!in->data)
        return buffer_resize(in, READ_SIZE);
    if (in->start == in->end)
        in->start = in->end = 0;
    /* A frame must lie in one piece, so its first part moves to the front. */
    if (in->size - in->end < in->size / 4)
        buffer_compact(in);
    if (in->end == in->size)
        return buffer_resize(in, 2 * in->size);
    return 0;
}

int
conn_read(struct conn *conn)
{
    conn->readable = false;
    if (make_room(conn) < 0)
        return -1;
    struct buffer *in = &conn->in;
    ssize_t n;
    do {
        n = recv(conn->source.fd, in->data + in->end, in->size - in->end, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    if (n == 0) {
        conn->ended = true;
        update_events(conn);
        return 0;
    }
    in->end += (size_t)n;
    return 0;
}

int
conn_next_frame(
    struct conn *conn, const struct framing *framing, struct frame *ret)
{
    struct buffer *in = &conn->in;
    size_t len = in->end - in->start;
    if (conn->skip > 0) {
        size_t n = conn->skip < len ? conn->skip : len;
        in->start += n;
        conn->skip -= n;
        len -= n;
        if (conn->skip > 0)
            return 0;
    }
    if (len == 0)
        return 0;
    ssize_t n = frame_read(ret, framing, in->data + in->start, len);
    if (n < 0 && errno == EMSGSIZE) /* R8, P7 */
        conn->skip = ret->len + FRAME_LENGTH + (framing->ids ? FRAME_ID : 0u);
    if (n > 0)
        in->start += (size_t)n;
    return n > 0 ? 1 : (int)n;
}

bool
conn_has_frame(struct conn *conn, const struct framing *framing)
{
    struct frame frame;
    return conn->skip == 0 && conn->in.start < conn->in.end &&
        frame_read(&frame, framing, conn->in.data + conn->in.start,
            conn->in.end - conn->in.start) != 0;
}

void
conn_shrink(struct conn *conn)
{
    struct buffer *in = &conn->in;
    size_t len = in->end - in->start;
    if (len == 0) {
        struct buffer *spare = conn->spare;
        if (in->size > spare->size && in->size <= SPARE_MAX) {
            free(spare->data);
            *spare = (struct buffer){.data = in->data, .size = in->size};
            *in = (struct buffer){0};
        }
        buffer_free(in);
    } else if (in->size > SHRINK_MIN && len < in->size / SHRINK_PART) {
        struct buffer small = {.end = len};
        size_t size = len > SHRINK_MIN ? 2 * len : SHRINK_MIN;
        if (buffer_resize(&small, size) < 0)
            return; /* the connection keeps the large one */
        memcpy(small.data, in->data + in->start, len);
        in->start = in->end = 0;
        conn_shrink(conn); /* now empty: the large one becomes the spare */
        *in = small;
    }
}

int
conn_write(struct conn *conn, const struct framing *framing, uint32_t id,
    const void *data, size_t len)
{
    unsigned char head[FRAME_HEAD_MAX + JOIN_MAX];
    struct iovec iov[] = {
        {.iov_base = head, .iov_len = frame_head(head, framing->ids, id, len)},
        {.iov_base = (void *)(uintptr_t)data, .iov_len = len},
    };
    size_t total = iov[0].iov_len + len;
    int count = 2;
    ssize_t sent = 0;
    if (len > 0 && len <= JOIN_MAX) {
        memcpy(head + iov[0].iov_len, data, len);
        iov[0].iov_len = total;
        count = 1;
    }
    if (conn->source.fd >= 0 && conn_pending(conn) == 0)
        sent = conn_send(conn, iov, count);
    if (sent < 0)
        return -1;
    if ((size_t)sent == total)
        return 0;
    return conn_queue(conn, iov, count, (size_t)sent);
}

/* Appends bytes to the queue. It grows by a quarter at least, so that a long
 * queue is not copied for each of its messages: realloc() may copy. */
static int
append(struct buffer *out, const void *data, size_t len)
{
    size_t least = out->end + len;
    if (least > out->size && buffer_resize(out, least + least / 4) < 0)
        return -1;
    memcpy(out->data + out->end, data, len);
    out->end += len;
    return 0;
}

int
conn_queue(struct conn *conn, const struct iovec *iov, int count, size_t sent)
{
    struct buffer *out = &conn->out;
    bool begun = sent > 0;
    conn->begun -= out->start < conn->begun ? out->start : conn->begun;
    buffer_compact(out);
    size_t end = out->end;
    for (int i = 0; i < count; i++) {
        size_t len = iov[i].iov_len;
        size_t skipped = sent < len ? sent : len;
        const char *left = (const char *)iov[i].iov_base + skipped;
        sent -= skipped;
        if (skipped < len && append(out, left, len - skipped) < 0) {
            out->end = end; /* no half frames */
            return -1;
        }
    }
    if (begun)
        conn->begun = out->end;
    if (conn->source.fd >= 0)
        update_events(conn);
    return 0;
}

void
conn_cancel(struct conn *conn)
{
    struct buffer *out = &conn->out;
    if (out->start < conn->begun)
        out->end = conn->begun;
    else
        out->end = out->start;
}

size_t
conn_pending(const struct conn *conn)
{
    return conn->out.end - conn->out.start;
}

void
conn_detach(struct conn *conn)
{
    if (conn->source.fd >= 0) {
        loop_remove(conn->loop, &conn->source);
        (void)close(conn->source.fd); /* whatever it returns, it is closed */
    }
    conn->source.fd = -1;
    conn->readable = conn->hangup = conn->ended = false;
    conn->in.start = conn->in.end = 0;
    conn->skip = 0;
    if (conn->out.start < conn->begun)
        conn->out.start = conn->begun;
    conn->begun = conn->out.start;
}

void
conn_drain(struct conn *conn)
{
    char discarded[4096];
    for (int i = 0; i < DRAIN_MAX; i++) { /* R11 */
        if (recv(conn->source.fd, discarded, sizeof(discarded), 0) <= 0)
            break;
    }
}

void
conn_close(struct conn *conn)
{
    conn_detach(conn);
    buffer_free(&conn->in);
    buffer_free(&conn->out);
}

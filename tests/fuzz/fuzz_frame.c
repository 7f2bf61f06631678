/*
 * A stream of raw's frames, cut into pieces anywhere: a connection must find in it what a reader
 * of the whole finds. The input begins with how to read it:
 *
 *     flags u8 (1: with ids, 2: settle between pieces) | longest message u16 | length of the
 *     first pieces, u8 each | 00 | the stream
 *
 * The bytes reach the connection as the kernel hands them over, through a pair of sockets.
 */
#include "conn.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STREAM_MAX = 4096, /* fits into a socket's buffer */
    BUFFER_MAX = 1 << 20, /* bytes of a connection's buffer for a stream that short */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
must(int condition)
{
    if (!condition)
        abort();
}

/* A reader of the whole stream. */
struct whole {
    const struct framing *framing;
    const uint8_t *data;
    size_t len;
    size_t at;
    int broken; /* nothing more is to be expected of it */
};

/* The next frame: 1; 0: none; -1 and EMSGSIZE, EBADMSG. Passes over what is too long. */
static int
whole_next(struct whole *whole, struct frame *ret)
{
    ssize_t n = frame_read(ret, whole->framing, whole->data + whole->at, whole->len - whole->at);
    if (n > 0) {
        must(ret->data >= whole->data + whole->at && ret->len <= whole->framing->max);
        must(ret->data + ret->len == whole->data + whole->at + n);
        whole->at += (size_t)n;
        return 1;
    }
    if (n < 0 && errno == EMSGSIZE) {
        size_t total = FRAME_LENGTH + (whole->framing->ids ? FRAME_ID : 0u) + ret->len;
        size_t left = whole->len - whole->at;
        whole->at += total < left ? total : left;
    }
    return (int)n;
}

/* Takes frames off the connection; each must be the next of the whole. */
static void
take_frames(struct conn *conn, struct whole *whole)
{
    for (;;) {
        struct frame frame, expected;
        int found = conn_next_frame(conn, whole->framing, &frame);
        int errnum = errno;
        if (found == 0)
            return;
        must(whole_next(whole, &expected) == found);
        must(found > 0 || errno == errnum);
        if (found < 0 && errnum == EBADMSG) {
            whole->broken = 1; /* the owner closes such a connection */
            return;
        }
        must(frame.id == expected.id && frame.len == expected.len);
        if (found > 0)
            must(frame.len == 0 || memcmp(frame.data, expected.data, frame.len) == 0);
        else
            must(frame.data == NULL && frame.len > whole->framing->max);
    }
}

static void
feed(struct conn *conn, int peer, const uint8_t *piece, size_t len, struct whole *whole)
{
    must(send(peer, piece, len, MSG_NOSIGNAL) == (ssize_t)len);
    for (size_t received = 0; received < len && !whole->broken;) {
        size_t end = conn->in.end - conn->in.start;
        must(conn_read(conn) == 0 && !conn->ended);
        received += conn->in.end - conn->in.start - end;
        must(conn->in.size <= BUFFER_MAX);
        take_frames(conn, whole);
    }
}

static void
ready(void *owner, uint32_t events)
{
    (void)owner;
    (void)events;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 4)
        return 0;
    struct framing framing = {.ids = data[0] & 1, .max = (size_t)data[1] << 8 | data[2]};
    const uint8_t *pieces = data + 3;
    const uint8_t *zero = memchr(pieces, 0, len - 3);
    if (!zero)
        return 0;
    struct whole whole = {
        .framing = &framing,
        .data = zero + 1,
        .len = (size_t)(data + len - zero - 1),
    };
    if (whole.len > STREAM_MAX)
        return 0;

    struct loop loop;
    struct buffer spare = {0};
    struct conn conn;
    int fds[2];
    must(loop_open(&loop) == 0);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    conn_open(&conn, &loop, &spare);
    must(conn_attach(&conn, fds[0], ready, NULL) == 0);
    for (size_t at = 0; at < whole.len && !whole.broken;) {
        size_t n = pieces < zero ? *pieces++ : whole.len - at;
        if (n > whole.len - at)
            n = whole.len - at;
        feed(&conn, fds[1], whole.data + at, n, &whole);
        at += n;
        if (data[0] & 2)
            conn_shrink(&conn);
    }
    /* And nothing was left out. */
    struct frame frame;
    must(whole.broken || whole_next(&whole, &frame) == 0);
    conn_close(&conn);
    free(spare.data);
    loop_close(&loop);
    must(close(fds[1]) == 0);
    return 0;
}

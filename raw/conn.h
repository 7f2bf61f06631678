/*
 * A connection: a non-blocking stream socket and its two buffers. conn.c opens
 * with the states that it goes through.
 */
#ifndef CONN_H
#define CONN_H

#include "frame.h"
#include "loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/*
 *     data        start                 end          size
 *      |            |                    |             |
 *      v            v                    v             v
 *      +------------+--------------------+-------------+
 *      |    used    |      waiting       |    free     |
 *      +------------+--------------------+-------------+
 *
 * In `in`, the waiting bytes were received and not yet taken as frames. In
 * `out`, they are still to be sent; `begun` lies between start and end.
 */
struct buffer {
    unsigned char *data;
    size_t size;
    size_t start;
    size_t end;
};

struct conn {
    struct loop *loop;
    struct buffer *spare; /* shared; see conn_open() */
    struct source source; /* fd -1: not connected */
    struct buffer in;
    size_t skip; /* bytes still to be discarded of a frame over the limit */
    struct buffer out;
    size_t begun; /* out.start..begun: the rest of a frame partly sent */
    bool full; /* the kernel has taken no more; there was no room since */
    bool readable; /* there is something to read, or the end */
    bool hangup; /* the peer has closed, or the connection broken */
    bool ended; /* everything was read, up to the end of the stream */
};

/*
 * Makes an unconnected one, which can be written to. Cannot fail. spare is a
 * read buffer that the connections of one loop share, so that an idle
 * connection holds none; all zero is an empty one. Its data is the caller's to
 * free. NULL: the connection keeps its own.
 */
void conn_open(struct conn *ret, struct loop *loop, struct buffer *spare);

/*
 * Takes over a connected descriptor. The loop calls ready(owner, events), which
 * must call conn_ready() first. -1: the caller keeps fd.
 */
int conn_attach(
    struct conn *conn, int fd, void (*ready)(void *, uint32_t), void *owner);

/* Sends what is queued, as much as the kernel takes. -1: it is broken. */
int conn_flush(struct conn *conn);

/* Records what is ready, and sends what is queued. -1: it is broken. */
int conn_ready(struct conn *conn, uint32_t events);

/*
 * Receives once. The frames that conn_next_frame() returned before are then no
 * longer valid. At the end of the stream, sets conn->ended. -1: the connection
 * is broken, or ENOMEM.
 */
int conn_read(struct conn *conn);

/*
 * Takes the next frame of those received. 1: there is one; 0: none is complete
 * yet; -1: as frame_read(). After EMSGSIZE, the next call discards that frame
 * and goes on behind it.
 */
int conn_next_frame(
    struct conn *conn, const struct framing *framing, struct frame *ret);

/*
 * Whether conn_next_frame() would return a frame or an error. Not to be called
 * after EMSGSIZE.
 */
bool conn_has_frame(struct conn *conn, const struct framing *framing);

/*
 * Frees memory that the waiting received bytes do not need. If there is no
 * memory to copy them to, the connection keeps the large buffer.
 */
void conn_shrink(struct conn *conn);

/*
 * Sends as many bytes as the kernel takes and returns their number; the caller
 * keeps what is left. -1: the connection is broken. Not to be called while
 * conn_pending().
 */
ssize_t conn_send(struct conn *conn, const struct iovec *iov, int count);

/* Sets conn->full until the loop reports that there is room again. */
void conn_await_room(struct conn *conn);

/*
 * Sends a message as a frame, its head and its bytes in one call, and queues
 * what the kernel does not take. -1: the connection is broken, or ENOMEM.
 */
int conn_write(struct conn *conn, const struct framing *framing, uint32_t id,
    const void *data, size_t len);

/* Queues the bytes of a frame from byte `sent` on. ENOMEM. */
int conn_queue(
    struct conn *conn, const struct iovec *iov, int count, size_t sent);

/* Drops the queued frames of which no byte was sent. */
void conn_cancel(struct conn *conn);

/* The number of bytes queued. */
size_t conn_pending(const struct conn *conn);

/*
 * Closes the descriptor. The rest of a frame partly sent is dropped, other
 * queued frames stay. Frames received stay valid until the next conn_read() or
 * conn_close().
 */
void conn_detach(struct conn *conn);

/*
 * Reads and discards what has arrived. A close with unread bytes resets the
 * connection, and the kernel then drops what it has not sent to the peer
 * (RFC 9293, 3.6.1).
 */
void conn_drain(struct conn *conn);

/* Closes and frees. */
void conn_close(struct conn *conn);

#endif

/* A connection: what was received and not yet used, what is yet to be sent. */
#ifndef CONN_H
#define CONN_H

#include "frame.h"
#include "loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct buffer {
    unsigned char *data;
    size_t size;
    size_t start; /* the bytes in use: start..end */
    size_t end;
};

struct conn {
    struct loop *loop;
    struct buffer *spare;
    struct source source; /* fd -1: not connected */
    struct buffer in;
    size_t skip; /* bytes of a frame too long that are still to come */
    struct buffer out;
    size_t begun; /* out.start..begun belong to a frame already begun */
    bool readable; /* there is something to read, or the end */
    bool hangup; /* the peer has closed, or the connection broken */
    bool ended; /* all was read */
};

/* An unconnected one, which may be written to. Cannot fail. */
void conn_open(struct conn *ret, struct loop *loop, struct buffer *spare);

/*
 * Takes over a connected descriptor; ready(owner, events) is called as
 * loop.h says, and calls conn_ready() first. -1: the caller keeps fd.
 */
int conn_attach(
    struct conn *conn, int fd, void (*ready)(void *, uint32_t), void *owner);

/* Sends what was kept, as far as it goes. -1: the connection is broken. */
int conn_flush(struct conn *conn);

/* Notes what is ready and sends what can go. -1: the connection is broken. */
int conn_ready(struct conn *conn, uint32_t events);

/*
 * Receives once. What was received before, and lent, is no longer valid. -1:
 * the connection is broken, or ENOMEM. At the end of the stream conn->ended.
 */
int conn_read(struct conn *conn);

/*
 * The next frame of those received: 1; 0: none is whole yet; -1: as
 * frame_read(). A frame too long is passed over if asked for again.
 */
int conn_next(
    struct conn *conn, const struct framing *framing, struct frame *ret);

/* Whether conn_next() would have a frame, or an error; not after EMSGSIZE. */
bool conn_has_next(struct conn *conn, const struct framing *framing);

/* Gives back memory that the bytes not yet used do not need. ENOMEM is fine. */
void conn_settle(struct conn *conn);

/*
 * Sends as much as can go now, nothing being kept; the bytes sent, or -1: the
 * connection is broken. Not to be called while conn_pending().
 */
ssize_t conn_send(struct conn *conn, const struct iovec *iov, int count);

/*
 * Sends a message as a frame, its head and its bytes in one call, and keeps
 * what cannot go now. -1: the connection is broken, or ENOMEM.
 */
int conn_write(struct conn *conn, const struct framing *framing, uint32_t id,
    const void *data, size_t len);

/* Keeps what conn_send() left of a frame: all from byte sent on. ENOMEM. */
int conn_keep(
    struct conn *conn, const struct iovec *iov, int count, size_t sent);

/* Takes back what was written and not begun to be sent. */
void conn_cancel(struct conn *conn);

/* How many bytes are still to be sent. */
size_t conn_pending(const struct conn *conn);

/*
 * Closes the descriptor; a frame begun is lost, others stay written. What was
 * received and lent stays until the next conn_read() or conn_close().
 */
void conn_detach(struct conn *conn);

/*
 * Reads away what has come, so that the close to follow does not reset the
 * connection, and with it what is still on its way out (RFC 9293, 3.6.1).
 */
void conn_drain(struct conn *conn);

/* Closes and frees. */
void conn_close(struct conn *conn);

#endif

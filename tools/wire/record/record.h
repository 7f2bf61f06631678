/*
 * A recording: what the tap saw, as a file. README.md gives its bytes. A writer
 * appends records and hides a buffer; a reader returns them one by one and can
 * follow a file that is still being written, or a pipe.
 *
 * All functions return 0 (or what they say) on success, -1 and errno on failure.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stddef.h>
#include <stdint.h>

enum record_type {
    RECORD_OPEN = 1, /* a connection, both of its sides there; data: record_names */
    RECORD_DATA = 2, /* these bytes arrived at the tap, going this way */
    RECORD_PASS = 3, /* so many of the bytes that arrived went on; data: record_count */
    RECORD_SHUT = 4, /* end of stream arrived, going this way: the sender's half-close or close */
    RECORD_RESET = 5, /* a reset arrived, going this way */
    RECORD_CLOSE = 6, /* the connection is over; data: a word, who ended it: client server tap */
    RECORD_NOTE = 7, /* a command given to the tap; data: its text. conn is 0 if it was for all */
    RECORD_END = 8, /* the last record of a complete recording */
};

enum record_direction {
    RECORD_UP = 0, /* client to server */
    RECORD_DOWN = 1, /* server to client; every type without a direction has 0 */
};

enum {
    RECORD_DATA_MAX = 1 << 20, /* bytes of data in one record; the tap reads no more at once */
    RECORD_NAME_MAX = 128, /* bytes of an address with its NUL */
};

struct record {
    enum record_type type;
    enum record_direction direction;
    uint32_t conn; /* the connection, from 1; 0 is all of them */
    uint64_t time_ns; /* CLOCK_MONOTONIC */
    const void *data; /* reading: lent until the next record_read or record_close */
    size_t len;
};

/*
 * A connection's four addresses: tcp://1.2.3.4:5, tcp://[::1]:5 or ipc:///path;
 * "ipc://" alone is a client without a path, as most are.
 */
struct record_names {
    const char *client; /* the client's own */
    const char *front; /* where it reached the tap */
    const char *back; /* from where the tap went on */
    const char *server; /* and the server's */
};

/* Writing */

struct record_writer;

/* Creates or empties the file at path and starts a recording in it. */
int record_create(struct record_writer **ret, const char *path);

/*
 * Appends a record. Nothing is lost without a word: once a write to the file has
 * failed, this and every later call fails with that errno. EINVAL: no such type,
 * or too long.
 */
int record_write(struct record_writer *writer, const struct record *record);

/* The same for the two types whose data has a form; type and data are set here. */
int record_write_open(
    struct record_writer *writer, struct record record, const struct record_names *names);
int record_write_pass(struct record_writer *writer, struct record record, uint64_t count);

/* Bytes that a crash would lose now; record_flush hands them to the system. */
size_t record_pending(const struct record_writer *writer);
int record_flush(struct record_writer *writer);

/* Writes RECORD_END and closes; frees the writer whatever happens. Accepts NULL. */
int record_finish(struct record_writer *writer);

/* Reading */

struct record_reader;

/* EBADMSG: not a recording, or of another version. ENODATA: not even a whole head. */
int record_open(struct record_reader **ret, const char *path);

/*
 * Returns 1 and the next record; 0 after RECORD_END was returned; -1 and
 *   ENODATA  the file ends here, between two records or within one: it is cut
 *            short, or still being written. The call may be repeated;
 *   EBADMSG  these bytes are no record; no later call will do better;
 *   or what read(2) said.
 */
int record_read(struct record_reader *reader, struct record *ret);

/* The bytes of the file before the record that was returned last, for messages. */
uint64_t record_offset(const struct record_reader *reader);

/* CLOCK_REALTIME in nanoseconds at that CLOCK_MONOTONIC time of this recording. */
uint64_t record_wall(const struct record_reader *reader, uint64_t time_ns);

/* The forms of RECORD_OPEN and RECORD_PASS. EBADMSG: not such data. Names point into it. */
int record_names(struct record_names *ret, const struct record *record);
int record_count(uint64_t *ret, const struct record *record);

/* "up" or "down". */
const char *record_direction_name(enum record_direction direction);

/* Keeps errno. Accepts NULL. */
void record_close(struct record_reader *reader);

#endif

/*
 * The publisher's log: see log.h for its cursors. A message is framed and
 * copied once, however many subscribers there are, and then written from here
 * to each of them. Frames lie one behind the other, so a thousand messages may
 * go out in one system call.
 *
 * The ring's bytes, usually and after the head has gone round:
 *
 *     +--------+----+----+----+--------+     +----+----+--------+----+----+--+
 *     |  free  | 41 | 42 | 43 |  free  |     | 44 | 45 |  free  | 42 | 43 |  |
 *     +--------+----+----+----+--------+     +----+----+--------+----+----+--+
 *              ^ tail         ^ head                   ^ head   ^ tail
 *
 * A frame never wraps around the ring's end: one that does not fit there goes
 * to the front. Subscribers are not told when a message is forgotten: their
 * cursors are then less than `first`.
 */
#include "log.h"

#include "frame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORDS_MIN = 64,
};

int
log_open(struct log *ret, uint64_t queue)
{
    *ret = (struct log){
        .size = LOG_BYTES_MIN,
        .records_size = RECORDS_MIN,
        .queue = queue,
    };
    ret->bytes = malloc(ret->size);
    ret->records = calloc(ret->records_size, sizeof(*ret->records));
    return ret->bytes && ret->records ? 0 : -1;
}

static struct record *
record_of(const struct log *log, uint64_t number)
{
    return &log->records[number & (log->records_size - 1)];
}

/* Doubles the table of records. Each moves to its number's new place. */
static int
grow_records(struct log *log)
{
    size_t size = 2 * log->records_size;
    struct record *records = calloc(size, sizeof(*records));
    if (!records)
        return -1;
    for (uint64_t n = log->first; n < log->end; n++)
        records[n & (size - 1)] = *record_of(log, n);
    free(log->records);
    log->records = records;
    log->records_size = size;
    return 0;
}

/* Doubles the ring, and moves the frames that are kept to its front. */
static int
grow_bytes(struct log *log)
{
    size_t size = 2 * log->size;
    unsigned char *bytes = malloc(size);
    if (!bytes)
        return -1;
    size_t head = 0;
    for (uint64_t n = log->first; n < log->end; n++) {
        struct record *record = record_of(log, n);
        memcpy(bytes + head, log->bytes + record->at, record->len);
        record->at = head;
        head += record->len;
    }
    free(log->bytes);
    log->bytes = bytes;
    log->size = size;
    log->head = head;
    return 0;
}

/* Whether len bytes are free at the head, or at the front: moves head there. */
static bool
find_room(struct log *log, size_t len)
{
    if (log->first == log->end) {
        log->head = 0;
        return len <= log->size;
    }
    size_t tail = record_of(log, log->first)->at;
    if (log->head > tail) { /* used: tail..head */
        if (len <= log->size - log->head)
            return true;
        if (len > tail)
            return false;
        log->head = 0;
        return true;
    }
    return len <= tail - log->head; /* free: head..tail */
}

/* Makes room for a frame and its record. */
static int
make_room(struct log *log, size_t len, uint64_t needed)
{
    while (!find_room(log, len)) {
        bool unneeded = log->first < needed && log->first < log->end;
        if (unneeded || log->size >= LOG_BYTES_MAX)
            log->first++;
        else if (grow_bytes(log) < 0)
            return -1;
    }
    uint64_t count = log->end - log->first;
    if (count >= log->queue)
        log->first = log->end - log->queue + 1;
    else if (count == log->records_size && log->first < needed)
        log->first++;
    else if (count == log->records_size)
        return grow_records(log);
    return 0;
}

int
log_append(struct log *log, const void *data, size_t len, uint64_t needed)
{
    if (len > LOG_BYTES_MAX - FRAME_LENGTH) {
        errno = EMSGSIZE;
        return -1;
    }
    struct record record = {.len = FRAME_LENGTH + len};
    if (make_room(log, record.len, needed) < 0)
        return -1;
    record.at = log->head;
    (void)frame_head(log->bytes + record.at, false, 0, len);
    memcpy(log->bytes + record.at + FRAME_LENGTH, data, len);
    *record_of(log, log->end) = record;
    log->head += record.len;
    log->end++;
    return 0;
}

/* The next message from *number on that matches; none: iov_base is NULL. */
static struct iovec
next_match(
    const struct log *log, uint64_t *number, const struct prefixes *prefixes)
{
    for (; *number < log->end; (*number)++) {
        const struct record *record = record_of(log, *number);
        unsigned char *frame = log->bytes + record->at;
        if (prefixes->all ||
            prefixes_match(
                prefixes, frame + FRAME_LENGTH, record->len - FRAME_LENGTH))
            return (struct iovec){.iov_base = frame, .iov_len = record->len};
    }
    return (struct iovec){0};
}

int
log_collect(const struct log *log, uint64_t *cursor,
    const struct prefixes *prefixes, struct iovec *iov, int iov_max,
    size_t bytes_max)
{
    int count = 0;
    size_t total = 0;
    const char *piece_end = NULL;
    uint64_t n = *cursor < log->first ? log->first : *cursor;
    for (; total < bytes_max; n++) {
        struct iovec frame = next_match(log, &n, prefixes);
        if (!frame.iov_base)
            break;
        if (frame.iov_base == piece_end)
            iov[count - 1].iov_len += frame.iov_len;
        else if (count < iov_max)
            iov[count++] = frame;
        else
            break;
        piece_end = (const char *)frame.iov_base + frame.iov_len;
        total += frame.iov_len;
    }
    *cursor = n;
    return count;
}

struct iovec
log_resume(const struct log *log, uint64_t *cursor,
    const struct prefixes *prefixes, size_t sent)
{
    struct iovec frame;
    uint64_t n = *cursor < log->first ? log->first : *cursor;
    for (;; n++) {
        frame = next_match(log, &n, prefixes);
        if (sent < frame.iov_len || !frame.iov_base)
            break;
        sent -= frame.iov_len;
    }
    *cursor = n + 1;
    frame.iov_base = (char *)frame.iov_base + sent;
    frame.iov_len -= sent;
    return frame;
}

void
log_close(struct log *log)
{
    free(log->bytes);
    free(log->records);
    *log = (struct log){0};
}

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
 *
 * A record counts its holders, the subscribers that have a part of its message.
 * A message with holders is copied before it is forgotten. The copies stand in
 * the order of their numbers; each goes with its last holder.
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
    STAILQ_INIT(&ret->copies);
    ret->bytes = malloc(ret->size);
    if (!ret->bytes)
        return -1;
    ret->records = calloc(ret->records_size, sizeof(*ret->records));
    return ret->records ? 0 : -1;
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
        record->at = (uint32_t)head;
        head += record->len;
    }
    free(log->bytes);
    log->bytes = bytes;
    log->size = size;
    log->head = head;
    return 0;
}

static void
drop_copy(struct log *log, struct copy *copy)
{
    STAILQ_REMOVE(&log->copies, copy, copy, all);
    log->copied -= copy->len;
    free(copy);
}

/* Copies the oldest message, for its holders. As this is rare, log_append()
 * should not pay for it: inlined, it slows every append (measured). */
static void __attribute__((cold, noinline))
copy_oldest(struct log *log, const struct record *record)
{
    while (log->copied + record->len > LOG_BYTES_MAX) { /* P3 */
        struct copy *oldest = STAILQ_FIRST(&log->copies);
        log->gone = oldest->number + 1;
        drop_copy(log, oldest);
    }
    struct copy *copy = malloc(sizeof(*copy) + record->len);
    if (!copy) {
        log->gone = log->first + 1;
        return;
    }
    copy->number = log->first;
    copy->len = record->len;
    copy->holders = record->holders;
    memcpy(copy->frame, log->bytes + record->at, record->len);
    STAILQ_INSERT_TAIL(&log->copies, copy, all);
    log->copied += copy->len;
}

static void
forget_oldest(struct log *log)
{
    const struct record *record = record_of(log, log->first);
    if (record->holders > 0)
        copy_oldest(log, record);
    log->first++;
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

/* Makes room for a frame and its record, within the log's bounds (P3). */
static int
make_room(struct log *log, size_t len, uint64_t needed)
{
    while (!find_room(log, len)) {
        bool unneeded = log->first < needed && log->first < log->end;
        if (unneeded || log->size >= LOG_BYTES_MAX)
            forget_oldest(log);
        else if (grow_bytes(log) < 0)
            return -1;
    }
    uint64_t count = log->end - log->first;
    if (count >= log->queue ||
        (count == log->records_size && log->first < needed))
        forget_oldest(log);
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
    if (make_room(log, FRAME_LENGTH + len, needed) < 0)
        return -1;
    unsigned char *frame = log->bytes + log->head;
    (void)frame_head(frame, false, 0, len);
    memcpy(frame + FRAME_LENGTH, data, len);
    *record_of(log, log->end) = (struct record){
        .at = (uint32_t)log->head,
        .len = (uint32_t)(FRAME_LENGTH + len),
    };
    log->head += FRAME_LENGTH + len;
    log->end++;
    return 0;
}

static bool
is_wanted(const struct log *log, const struct record *record,
    const struct prefixes *prefixes)
{
    return prefixes->all ||
        prefixes_match(prefixes, log->bytes + record->at + FRAME_LENGTH,
            record->len - FRAME_LENGTH);
}

static struct copy *
copy_of(const struct log *log, uint64_t number)
{
    struct copy *copy;
    STAILQ_FOREACH(copy, &log->copies, all)
    {
        if (copy->number == number)
            break;
    }
    return copy;
}

/* What is left of the message that a subscriber has a part of. */
static struct iovec
rest_of(const struct log *log, const struct cursor *cursor)
{
    struct iovec rest = {0};
    struct copy *copy;
    if (cursor->sent == 0)
        return rest;
    if (cursor->begun >= log->first) {
        const struct record *record = record_of(log, cursor->begun);
        rest.iov_base = log->bytes + record->at + cursor->sent;
        rest.iov_len = record->len - cursor->sent;
    } else if ((copy = copy_of(log, cursor->begun))) {
        rest.iov_base = copy->frame + cursor->sent;
        rest.iov_len = copy->len - cursor->sent;
    }
    return rest;
}

int
log_collect(const struct log *log, const struct cursor *cursor,
    const struct prefixes *prefixes, struct iovec *iov, int iov_max,
    size_t bytes_max, uint64_t *next)
{
    iov[0] = rest_of(log, cursor);
    int count = iov[0].iov_len > 0;
    size_t total = iov[0].iov_len;
    const unsigned char *piece_end =
        count > 0 ? (unsigned char *)iov[0].iov_base + total : NULL;
    uint64_t n = cursor->next < log->first ? log->first : cursor->next;
    for (; n < log->end && total < bytes_max; n++) { /* in order: P2 */
        const struct record *record = record_of(log, n);
        unsigned char *frame = log->bytes + record->at;
        if (!is_wanted(log, record, prefixes)) /* P1 */
            continue;
        if (frame == piece_end)
            iov[count - 1].iov_len += record->len;
        else if (count < iov_max)
            iov[count++] = (struct iovec){frame, record->len};
        else
            break;
        piece_end = frame + record->len;
        total += record->len;
    }
    *next = n;
    return count;
}

void
log_move(struct log *log, struct cursor *cursor,
    const struct prefixes *prefixes, size_t sent)
{
    size_t rest = rest_of(log, cursor).iov_len;
    if (sent < rest) {
        cursor->sent += sent;
        return;
    }
    sent -= rest;
    log_release(log, cursor);
    uint64_t n = cursor->next < log->first ? log->first : cursor->next;
    for (; n < log->end; n++) {
        const struct record *record = record_of(log, n);
        if (!is_wanted(log, record, prefixes))
            continue;
        if (sent < record->len)
            break;
        sent -= record->len;
    }
    if (sent > 0) {
        cursor->begun = n++;
        cursor->sent = sent;
        record_of(log, cursor->begun)->holders++;
    }
    cursor->next = n;
}

void
log_release(struct log *log, struct cursor *cursor)
{
    struct copy *copy;
    if (cursor->sent == 0)
        return;
    cursor->sent = 0;
    if (cursor->begun >= log->first)
        record_of(log, cursor->begun)->holders--;
    else if ((copy = copy_of(log, cursor->begun)) && --copy->holders == 0)
        drop_copy(log, copy);
}

bool
log_has_lost(const struct log *log, const struct cursor *cursor)
{
    return cursor->sent > 0 && cursor->begun < log->gone;
}

void
log_close(struct log *log)
{
    struct copy *copy;
    while ((copy = STAILQ_FIRST(&log->copies)))
        drop_copy(log, copy);
    free(log->bytes);
    free(log->records);
    *log = (struct log){0};
}

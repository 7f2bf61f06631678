/*
 * Reading a recording: see README.md for the bytes. Nothing is trusted: every
 * field is checked before a length decides how much is kept, and no record is
 * longer than the buffer. A file that ends too early is told apart from one that
 * is damaged, and may be read on once it has grown.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytes.h"
#include "record_format.h"

enum {
    READ_BUFFER = RECORD_HEAD + RECORD_DATA_MAX, /* holds any record */
};

struct record_reader {
    int fd;
    bool ended; /* RECORD_END was returned */
    bool bad; /* EBADMSG was */
    uint64_t mono_ns;
    uint64_t wall_ns;
    uint64_t last_ns; /* the time of the record before */
    uint64_t offset; /* of the record returned last */
    uint64_t next; /* of the first byte in buffer + start */
    size_t start;
    size_t end;
    unsigned char buffer[READ_BUFFER];
};

/* Has at least len bytes at buffer + start. ENODATA: the file has no more now. */
static int
fill(struct record_reader *reader, size_t len)
{
    if (reader->start + len > READ_BUFFER) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    while (reader->end - reader->start < len) {
        ssize_t n = read(reader->fd, reader->buffer + reader->end, READ_BUFFER - reader->end);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = ENODATA;
            return -1;
        }
        reader->end += (size_t)n;
    }
    return 0;
}

int
record_open(struct record_reader **ret, const char *path)
{
    struct record_reader *reader = malloc(sizeof(*reader));
    if (!reader)
        return -1;
    memset(reader, 0, offsetof(struct record_reader, buffer));
    reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0 || fill(reader, RECORD_FILE_HEAD) < 0)
        goto fail;
    const unsigned char *head = reader->buffer;
    if (memcmp(head, RECORD_MAGIC, 8) != 0 || get_u32(head + 8) != RECORD_VERSION ||
        get_u32(head + 12) != 0) {
        errno = EBADMSG;
        goto fail;
    }
    reader->mono_ns = get_u64(head + 16);
    reader->wall_ns = get_u64(head + 24);
    reader->start = RECORD_FILE_HEAD;
    reader->next = RECORD_FILE_HEAD;
    *ret = reader;
    return 0;
fail:
    record_close(reader);
    return -1;
}

int
record_read(struct record_reader *reader, struct record *ret)
{
    if (reader->ended)
        return 0;
    if (reader->bad)
        goto bad;
    if (fill(reader, RECORD_HEAD) < 0)
        return -1;
    const unsigned char *head = reader->buffer + reader->start;
    size_t len = get_u32(head);
    if (!record_valid(head[4], head[5], len) || head[6] != 0 || head[7] != 0 ||
        get_u64(head + 12) < reader->last_ns)
        goto bad;
    if (fill(reader, RECORD_HEAD + len) < 0)
        return -1;
    head = reader->buffer + reader->start; /* fill may have moved it */
    ret->type = (enum record_type)head[4];
    ret->direction = (enum record_direction)head[5];
    ret->conn = get_u32(head + 8);
    ret->time_ns = get_u64(head + 12);
    ret->data = head + RECORD_HEAD;
    ret->len = len;
    reader->last_ns = ret->time_ns;
    reader->start += RECORD_HEAD + len;
    reader->offset = reader->next;
    reader->next += RECORD_HEAD + len;
    reader->ended = ret->type == RECORD_END;
    return 1;
bad:
    reader->bad = true;
    errno = EBADMSG;
    return -1;
}

uint64_t
record_offset(const struct record_reader *reader)
{
    return reader->offset;
}

uint64_t
record_wall(const struct record_reader *reader, uint64_t time_ns)
{
    return time_ns - reader->mono_ns + reader->wall_ns;
}

int
record_names(struct record_names *ret, const struct record *record)
{
    const char *all[4];
    const char *at = record->data;
    size_t left = record->len;
    for (int i = 0; i < 4; i++) {
        const char *nul = left > 0 ? memchr(at, '\0', left) : NULL;
        if (!nul)
            goto bad;
        all[i] = at;
        left -= (size_t)(nul + 1 - at);
        at = nul + 1;
    }
    if (left > 0)
        goto bad;
    *ret = (struct record_names){all[0], all[1], all[2], all[3]};
    return 0;
bad:
    errno = EBADMSG;
    return -1;
}

int
record_count(uint64_t *ret, const struct record *record)
{
    if (record->len != 8) {
        errno = EBADMSG;
        return -1;
    }
    *ret = get_u64(record->data);
    return 0;
}

const char *
record_direction_name(enum record_direction direction)
{
    return direction == RECORD_UP ? "up" : "down";
}

void
record_close(struct record_reader *reader)
{
    int errnum = errno;
    if (!reader)
        return;
    if (reader->fd >= 0)
        (void)close(reader->fd);
    free(reader);
    errno = errnum;
}

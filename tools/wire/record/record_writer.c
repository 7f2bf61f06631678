/*
 * Writing a recording: see README.md for the bytes. Records gather in one buffer
 * that is written when it is full; data longer than what is left of it goes out
 * with the buffer in one writev(2). The first failure is kept and repeated, so
 * that a recording never has a hole: it ends where the disk was full.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "record_format.h"

enum {
    WRITE_BUFFER = 256 * 1024,
};

struct record_writer {
    int fd;
    int error; /* the errno of the first failure; nothing is written after it */
    size_t used;
    unsigned char buffer[WRITE_BUFFER];
};

/* Writes the buffer and then data, whole. */
static int
write_out(struct record_writer *writer, const void *data, size_t len)
{
    struct iovec parts[2] = {
        {.iov_base = writer->buffer, .iov_len = writer->used},
        {.iov_base = (void *)(uintptr_t)data, .iov_len = len},
    };
    size_t first = 0;
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t n = writev(writer->fd, parts + first, (int)(2 - first));
        size_t rest = n < 0 ? 0 : (size_t)n;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            writer->error = n < 0 ? errno : EIO;
            errno = writer->error;
            return -1;
        }
        for (size_t i = first; i < 2; i++) {
            size_t part = rest < parts[i].iov_len ? rest : parts[i].iov_len;
            if (part > 0)
                parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            rest -= part;
        }
        if (parts[0].iov_len == 0)
            first = 1;
    }
    writer->used = 0;
    return 0;
}

static uint64_t
clock_ns(clockid_t clock)
{
    struct timespec now = {0};
    (void)clock_gettime(clock, &now); /* cannot fail for the two clocks used here */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int
record_create(struct record_writer **ret, const char *path)
{
    struct record_writer *writer = malloc(sizeof(*writer));
    if (!writer)
        return -1;
    writer->error = 0;
    writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (writer->fd < 0)
        goto fail;
    memset(writer->buffer, 0, RECORD_FILE_HEAD);
    memcpy(writer->buffer, RECORD_MAGIC, 8);
    put_u32(writer->buffer + 8, RECORD_VERSION);
    put_u64(writer->buffer + 16, clock_ns(CLOCK_MONOTONIC));
    put_u64(writer->buffer + 24, clock_ns(CLOCK_REALTIME));
    writer->used = RECORD_FILE_HEAD;
    if (write_out(writer, NULL, 0) < 0) /* a full disk is told now, not later */
        goto fail;
    *ret = writer;
    return 0;
fail:;
    int errnum = errno;
    if (writer->fd >= 0)
        (void)close(writer->fd);
    free(writer);
    errno = errnum;
    return -1;
}

int
record_write(struct record_writer *writer, const struct record *record)
{
    if (writer->error != 0) {
        errno = writer->error;
        return -1;
    }
    if (!record_valid(record->type, record->direction, record->len)) {
        errno = EINVAL;
        return -1;
    }
    if (writer->used > WRITE_BUFFER - RECORD_HEAD && write_out(writer, NULL, 0) < 0)
        return -1;
    unsigned char *head = writer->buffer + writer->used;
    put_u32(head, (uint32_t)record->len);
    head[4] = (unsigned char)record->type;
    head[5] = (unsigned char)record->direction;
    head[6] = head[7] = 0;
    put_u32(head + 8, record->conn);
    put_u64(head + 12, record->time_ns);
    writer->used += RECORD_HEAD;
    if (record->len > WRITE_BUFFER - writer->used)
        return write_out(writer, record->data, record->len);
    if (record->len > 0)
        memcpy(writer->buffer + writer->used, record->data, record->len);
    writer->used += record->len;
    return 0;
}

int
record_write_open(
    struct record_writer *writer, struct record record, const struct record_names *names)
{
    const char *all[4] = {names->client, names->front, names->back, names->server};
    char data[4 * RECORD_NAME_MAX];
    record.type = RECORD_OPEN;
    record.data = data;
    record.len = 0;
    for (int i = 0; i < 4; i++) {
        size_t len = strlen(all[i]) + 1;
        if (len > RECORD_NAME_MAX) {
            errno = EINVAL;
            return -1;
        }
        memcpy(data + record.len, all[i], len);
        record.len += len;
    }
    return record_write(writer, &record);
}

int
record_write_pass(struct record_writer *writer, struct record record, uint64_t count)
{
    unsigned char data[8];
    put_u64(data, count);
    record.type = RECORD_PASS;
    record.data = data;
    record.len = sizeof(data);
    return record_write(writer, &record);
}

size_t
record_pending(const struct record_writer *writer)
{
    return writer->error != 0 ? 0 : writer->used;
}

int
record_flush(struct record_writer *writer)
{
    if (writer->error != 0) {
        errno = writer->error;
        return -1;
    }
    return write_out(writer, NULL, 0);
}

int
record_finish(struct record_writer *writer)
{
    struct record end = {.type = RECORD_END};
    int saved = 0;
    if (!writer)
        return 0;
    end.time_ns = clock_ns(CLOCK_MONOTONIC);
    if (record_write(writer, &end) < 0 || record_flush(writer) < 0)
        saved = errno;
    if (close(writer->fd) < 0 && saved == 0)
        saved = errno;
    free(writer);
    errno = saved;
    return saved == 0 ? 0 : -1;
}

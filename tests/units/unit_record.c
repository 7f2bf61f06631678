/*
 * Recordings, written and read back: every type, any size, cut short at every
 * byte, damaged at every byte, and read while they grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "record.h"

enum {
    ALL = 8, /* records in the file of write_all */
    SMALL_MAX = 4096,
};

static char path[] = "/tmp/test-record-XXXXXX";

static int
make_path(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int
remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

/* One record of each type. */
static void
write_all(void)
{
    static const struct record_names names = {
        "ipc://", "ipc:///tmp/tap", "tcp://[::1]:4", "tcp://[::1]:5"};
    static const struct record rest[] = {
        {RECORD_SHUT, RECORD_UP, 1, 13, NULL, 0},
        {RECORD_RESET, RECORD_DOWN, 1, 14, NULL, 0},
        {RECORD_CLOSE, RECORD_UP, 1, 15, "client", 6},
        {RECORD_NOTE, RECORD_UP, 0, 16, "delay up 5", 10},
    };
    struct record_writer *writer;
    struct record data = {RECORD_DATA, RECORD_UP, 1, 11, "bytes", 5};

    assert_int_equal(record_create(&writer, path), 0);
    assert_int_equal(
        record_write_open(writer, (struct record){.conn = 1, .time_ns = 10}, &names), 0);
    assert_int_equal(record_write(writer, &data), 0);
    assert_int_equal(record_write_pass(writer, (struct record){.conn = 1, .time_ns = 12}, 5), 0);
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
        assert_int_equal(record_write(writer, &rest[i]), 0);
    assert_true(record_pending(writer) > 0);
    assert_int_equal(record_finish(writer), 0);
}

static void
test_every_type(void **state)
{
    struct record_reader *reader;
    struct record_names names;
    struct record record;
    uint64_t count;

    (void)state;
    write_all();
    assert_int_equal(record_open(&reader, path), 0);
    assert_int_equal(record_read(reader, &record), 1);
    assert_int_equal(record.type, RECORD_OPEN);
    assert_int_equal(record.conn, 1);
    assert_int_equal(record_names(&names, &record), 0);
    assert_string_equal(names.client, "ipc://");
    assert_string_equal(names.front, "ipc:///tmp/tap");
    assert_string_equal(names.back, "tcp://[::1]:4");
    assert_string_equal(names.server, "tcp://[::1]:5");
    assert_int_equal(record_wall(reader, 20) - record_wall(reader, 10), 10);
    assert_int_equal(record_read(reader, &record), 1);
    assert_int_equal(record.type, RECORD_DATA);
    assert_int_equal(record.len, 5);
    assert_memory_equal(record.data, "bytes", 5);
    assert_int_equal(record.time_ns, 11);
    assert_int_equal(record_read(reader, &record), 1);
    assert_int_equal(record.type, RECORD_PASS);
    assert_int_equal(record_count(&count, &record), 0);
    assert_int_equal(count, 5);
    for (int type = RECORD_SHUT; type <= RECORD_END; type++) {
        assert_int_equal(record_read(reader, &record), 1);
        assert_int_equal(record.type, type);
    }
    assert_int_equal(record_read(reader, &record), 0);
    assert_int_equal(record_read(reader, &record), 0);
    record_close(reader);
}

static void
test_any_size(void **state)
{
    static const size_t sizes[] = {1, 2, 4095, 65536, 262144, 262145, RECORD_DATA_MAX};
    static unsigned char data[RECORD_DATA_MAX + 1];
    struct record_writer *writer;
    struct record_reader *reader;
    struct record record = {.type = RECORD_DATA, .conn = 1, .data = data};

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 7 + i / 251);
    assert_int_equal(record_create(&writer, path), 0);
    for (int i = 0; i < 70; i++) {
        record.len = sizes[i % 7];
        assert_int_equal(record_write(writer, &record), 0);
    }
    record.len = sizeof(data);
    assert_int_equal(record_write(writer, &record), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(record_finish(writer), 0);
    assert_int_equal(record_open(&reader, path), 0);
    for (int i = 0; i < 70; i++) {
        assert_int_equal(record_read(reader, &record), 1);
        assert_int_equal(record.len, sizes[i % 7]);
        assert_memory_equal(record.data, data, record.len);
    }
    assert_int_equal(record_read(reader, &record), 1);
    assert_int_equal(record.type, RECORD_END);
    record_close(reader);
}

/* The bytes of the file at path, up to SMALL_MAX. */
static size_t
load(unsigned char *bytes)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, bytes, SMALL_MAX);

    assert_true(n > 0);
    assert_int_equal(close(fd), 0);
    return (size_t)n;
}

static void
store(const unsigned char *bytes, size_t len, int flags)
{
    int fd = open(path, O_WRONLY | flags);

    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(close(fd), 0);
}

/* Reads to the end; returns the number of records, and what came instead of the next. */
static int
read_all(int *result, int *error)
{
    struct record_reader *reader;
    struct record record;
    int n = 0;

    *result = record_open(&reader, path);
    *error = errno;
    if (*result < 0)
        return 0;
    while ((*result = record_read(reader, &record)) == 1)
        n++;
    *error = errno;
    if (*result < 0 && *error == EBADMSG)
        assert_int_equal(record_read(reader, &record), -1);
    record_close(reader);
    return n;
}

static void
test_cut_short_anywhere(void **state)
{
    unsigned char bytes[SMALL_MAX];
    size_t len;
    int result;
    int error;

    (void)state;
    write_all();
    len = load(bytes);
    for (size_t cut = 0; cut < len; cut++) {
        store(bytes, cut, O_TRUNC);
        assert_true(read_all(&result, &error) < ALL);
        assert_int_equal(result, -1);
        assert_int_equal(error, ENODATA);
    }
    store(bytes, len, O_TRUNC);
    assert_int_equal(read_all(&result, &error), ALL);
    assert_int_equal(result, 0);
}

/* No single changed byte makes the reader fail otherwise than by its word. */
static void
test_damaged_anywhere(void **state)
{
    unsigned char bytes[SMALL_MAX];
    size_t len;
    int result;
    int error;

    (void)state;
    write_all();
    len = load(bytes);
    for (size_t at = 0; at < len; at++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] = (unsigned char)(bytes[at] ^ (1 << bit));
            store(bytes, len, O_TRUNC);
            assert_true(read_all(&result, &error) <= ALL);
            assert_true(result == 0 || error == EBADMSG || error == ENODATA);
            if (at < 16) /* the head's fixed part */
                assert_int_equal(error, EBADMSG);
            bytes[at] = (unsigned char)(bytes[at] ^ (1 << bit));
        }
}

static void
test_followed_while_it_grows(void **state)
{
    unsigned char bytes[SMALL_MAX];
    struct record_reader *reader;
    struct record record;
    size_t len;
    int n = 0;

    (void)state;
    write_all();
    len = load(bytes);
    store(bytes, 32, O_TRUNC);
    assert_int_equal(record_open(&reader, path), 0);
    for (size_t at = 32; at < len; at++) {
        int result = record_read(reader, &record);

        if (result == 1)
            n++;
        else
            assert_int_equal(errno, ENODATA);
        store(bytes + at, 1, O_APPEND);
    }
    while (record_read(reader, &record) == 1)
        n++;
    assert_int_equal(n, ALL);
    record_close(reader);
}

static void
test_a_failure_is_kept(void **state)
{
    static unsigned char data[RECORD_DATA_MAX];
    struct record record = {RECORD_DATA, RECORD_UP, 1, 1, data, sizeof(data)};
    struct record_writer *writer;

    (void)state;
    assert_int_equal(record_create(&writer, "/dev/full"), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(record_create(&writer, "/no/such/folder"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(record_create(&writer, path), 0);
    record.direction = (enum record_direction)2;
    assert_int_equal(record_write(writer, &record), -1);
    record.direction = RECORD_DOWN;
    assert_int_equal(record_write(writer, &record), 0);
    assert_int_equal(record_finish(writer), 0);
    assert_int_equal(record_finish(NULL), 0);
    record_close(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_any_size),
        cmocka_unit_test(test_cut_short_anywhere),
        cmocka_unit_test(test_damaged_anywhere),
        cmocka_unit_test(test_followed_while_it_grows),
        cmocka_unit_test(test_a_failure_is_kept),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}

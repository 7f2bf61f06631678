/* The log and its cursors, case by case; unit_log_model.c takes them in any order. */
#include "unit.h"

#include "frame.h"
#include "log.h"

enum {
    PIECES = 8,
};

static struct log messages;
static struct iovec iov[PIECES];

static struct prefixes all;
static struct prefixes only_b;

static int
setup(void **state)
{
    (void)state;
    assert_int_equal(prefixes_add(&all, "", 0), 0);
    return prefixes_add(&only_b, "b", 1);
}

static int
teardown(void **state)
{
    (void)state;
    log_close(&messages);
    prefixes_clear(&all);
    prefixes_clear(&only_b);
    return 0;
}

static void
open_log(uint64_t queue)
{
    assert_int_equal(log_open(&messages, queue), 0);
}

static void
append(const char *text, uint64_t needed)
{
    assert_int_equal(log_append(&messages, text, strlen(text), needed), 0);
}

/* Messages of len bytes, numbered from the log's end on. */
static void
append_many(unsigned count, size_t len, uint64_t needed)
{
    unsigned char *data = calloc(1, len);
    assert_non_null(data);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(log_append(&messages, data, len, needed), 0);
    free(data);
}

/* Collects from a message on; sets *next to the first that was not looked at. */
static int
collect(uint64_t *next, const struct prefixes *prefixes, int iov_max, size_t bytes_max)
{
    struct cursor cursor = {.next = *next};
    return log_collect(&messages, &cursor, prefixes, iov, iov_max, bytes_max, next);
}

static void
test_adjacent_frames_are_one_piece(void **state)
{
    (void)state;
    open_log(100);
    append("a1", 0);
    append("b2", 0);
    append("", 0);
    uint64_t cursor = 0;
    assert_int_equal(collect(&cursor, &all, PIECES, 1000), 1);
    assert_int_equal(cursor, 3);
    assert_int_equal(iov[0].iov_len, 16);
    assert_memory_equal(iov[0].iov_base, "\0\0\0\2a1\0\0\0\2b2\0\0\0\0", 16);
    assert_int_equal(collect(&cursor, &all, PIECES, 1000), 0);
    assert_int_equal(cursor, 3);
}

static void
test_what_is_not_wanted_is_left_out(void **state)
{
    (void)state;
    open_log(100);
    append("a1", 0);
    append("b2", 0);
    append("b3", 0);
    append("a4", 0);
    append("b5", 0);
    append("a6", 0);
    uint64_t cursor = 0;
    assert_int_equal(collect(&cursor, &only_b, PIECES, 1000), 2);
    assert_int_equal(cursor, 6); /* the last one was looked at, too */
    assert_int_equal(iov[0].iov_len, 12);
    assert_memory_equal(iov[0].iov_base, "\0\0\0\2b2\0\0\0\2b3", 12);
    assert_int_equal(iov[1].iov_len, 6);
    assert_memory_equal(iov[1].iov_base, "\0\0\0\2b5", 6);
}

static void
test_limits_of_one_collection(void **state)
{
    (void)state;
    open_log(100);
    for (int i = 0; i < 10; i++)
        append(i % 2 ? "b" : "a", 0);
    uint64_t cursor = 0;
    /* No more pieces than asked for; the next collection goes on from there. */
    assert_int_equal(collect(&cursor, &only_b, 2, 1000), 2);
    assert_int_equal(cursor, 5);
    assert_int_equal(collect(&cursor, &only_b, 2, 1000), 2);
    assert_int_equal(cursor, 9);
    assert_int_equal(collect(&cursor, &only_b, 2, 1000), 1);
    assert_int_equal(cursor, 10);
    /* Bytes: the frame that reaches the limit is the last. */
    cursor = 0;
    assert_int_equal(collect(&cursor, &all, PIECES, 11), 1);
    assert_int_equal(cursor, 3);
    assert_int_equal(iov[0].iov_len, 15);
    cursor = 0;
    assert_int_equal(collect(&cursor, &all, PIECES, 1), 1);
    assert_int_equal(cursor, 1);
}

static void
test_stopping_after_every_length(void **state)
{
    (void)state;
    static const char stream[] = "\0\0\0\3b11\0\0\0\1b\0\0\0\4b333";
    static const size_t ends[] = {7, 12, 20};
    static const uint64_t numbers[] = {1, 2, 4};
    open_log(100);
    append("a", 0);
    append("b11", 0);
    append("b", 0);
    append("a", 0);
    append("b333", 0);
    append("a", 0);
    for (size_t sent = 0; sent < 20; sent++) {
        size_t k = 0; /* the frame that this byte belongs to */
        while (sent >= ends[k])
            k++;
        struct cursor cursor = {0};
        uint64_t next;
        log_move(&messages, &cursor, &only_b, sent);
        bool between = k == 0 ? sent == 0 : sent == ends[k - 1];
        assert_int_equal(cursor.next, numbers[k] + !between);
        assert_int_equal(log_collect(&messages, &cursor, &only_b, iov, PIECES, 1, &next), 1);
        assert_int_equal(next, numbers[k] + 1);
        assert_int_equal(iov[0].iov_len, ends[k] - sent);
        assert_memory_equal(iov[0].iov_base, stream + sent, iov[0].iov_len);
        /* Byte by byte from there, it gets the same. */
        for (size_t more = sent; more < 20; more++) {
            assert_true(log_collect(&messages, &cursor, &only_b, iov, PIECES, 1, &next) > 0);
            assert_memory_equal(iov[0].iov_base, stream + more, 1);
            log_move(&messages, &cursor, &only_b, 1);
        }
        assert_int_equal(cursor.sent, 0);
    }
    for (uint64_t n = 0; n < messages.end; n++)
        assert_int_equal(messages.records[n].holders, 0);
}

static void
test_an_overtaken_cursor_jumps_to_the_oldest(void **state)
{
    (void)state;
    open_log(3);
    append("a0", 0);
    append("b1", 0);
    append("b2", 0);
    append("b3", 0);
    append("a4", 0);
    assert_int_equal(messages.first, 2);
    assert_int_equal(messages.end, 5);
    uint64_t cursor = 0;
    assert_int_equal(collect(&cursor, &all, PIECES, 1000), 1);
    assert_int_equal(cursor, 5);
    assert_memory_equal(iov[0].iov_base, "\0\0\0\2b2\0\0\0\2b3\0\0\0\2a4", 18);
    struct cursor overtaken = {.next = 1};
    log_move(&messages, &overtaken, &only_b, 7);
    assert_int_equal(overtaken.next, 4);
    assert_int_equal(log_collect(&messages, &overtaken, &only_b, iov, PIECES, 1000, &cursor), 1);
    assert_int_equal(iov[0].iov_len, 5);
    assert_memory_equal(iov[0].iov_base, "\0\0\2b3", 5);
    log_release(&messages, &overtaken);
}

/* Two have a part of a message that the log then forgets: one copy serves both. */
static void
test_a_message_begun_outlives_the_log(void **state)
{
    (void)state;
    open_log(2);
    append("a0", 0);
    append("b1", 0);
    struct cursor one = {0}, other = {0};
    log_move(&messages, &one, &all, 3);
    log_move(&messages, &other, &all, 5);
    append("b2", 0);
    append("b3", 0);
    assert_int_equal(messages.first, 2);
    assert_int_equal(messages.copied, 6);
    uint64_t next;
    assert_int_equal(log_collect(&messages, &one, &only_b, iov, PIECES, 1000, &next), 2);
    assert_int_equal(iov[0].iov_len, 3);
    assert_memory_equal(iov[0].iov_base, "\2a0", 3);
    assert_int_equal(iov[1].iov_len, 12);
    assert_memory_equal(iov[1].iov_base, "\0\0\0\2b2\0\0\0\2b3", 12);
    assert_int_equal(next, 4);
    assert_int_equal(log_collect(&messages, &one, &only_b, iov, PIECES, 3, &next), 1);
    log_move(&messages, &one, &only_b, 2);
    assert_int_equal(one.sent, 5);
    assert_int_equal(messages.copied, 6);
    log_move(&messages, &one, &only_b, 1 + 6 + 4); /* the copy, b2, and a part of b3 */
    assert_int_equal(one.begun, 3);
    assert_int_equal(one.sent, 4);
    assert_int_equal(messages.copied, 6);
    assert_false(log_has_lost(&messages, &other));
    log_release(&messages, &other);
    assert_int_equal(messages.copied, 0);
    log_release(&messages, &other); /* it holds nothing: no harm */
    log_release(&messages, &one);
    assert_int_equal(messages.records[3].holders, 0);
}

/* All copies together are bounded: the oldest goes first, whoever waits for it. */
static void
test_copies_are_a_bound(void **state)
{
    (void)state;
    enum {
        HELD = LOG_BYTES_MAX / (16 << 20), /* so many copies there may be */
    };
    struct cursor cursors[HELD + 2] = {0};
    open_log(1);
    for (size_t i = 0; i < LENGTH(cursors); i++) {
        append_many(1, (16 << 20) - FRAME_LENGTH, 0);
        cursors[i].next = i;
        log_move(&messages, &cursors[i], &all, 1 + i);
        size_t copies = i < HELD ? i : HELD;
        assert_int_equal(messages.copied, copies << 24);
        for (size_t k = 0; k <= i; k++)
            assert_int_equal(log_has_lost(&messages, &cursors[k]), k + HELD < i);
    }
    for (size_t i = 0; i < LENGTH(cursors); i++)
        log_release(&messages, &cursors[i]);
    assert_int_equal(messages.copied, 0);
    assert_true(STAILQ_EMPTY(&messages.copies));
}

static void
test_the_queue_is_a_bound(void **state)
{
    (void)state;
    static const uint64_t queues[] = {1, 2, 63, 64, 65, 1000};
    for (size_t i = 0; i < LENGTH(queues); i++) {
        open_log(queues[i]);
        append_many(5000, 10, 0); /* all of them needed, and yet */
        assert_int_equal(messages.end, 5000);
        assert_int_equal(messages.first, 5000 - queues[i]);
        log_close(&messages);
    }
}

/* What nobody needs makes room: neither the ring nor the table of records grows. */
static void
test_it_does_not_grow_for_what_nobody_needs(void **state)
{
    (void)state;
    open_log(1 << 20);
    size_t size = messages.size, records = messages.records_size;
    for (int i = 0; i < 100000; i++)
        append_many(1, 100, messages.end);
    assert_int_equal(messages.size, size);
    assert_int_equal(messages.records_size, records);
    assert_int_equal(messages.end, 100000);
}

static void
test_it_grows_for_what_is_needed(void **state)
{
    (void)state;
    open_log(1 << 20);
    uint64_t cursor = 50;
    append_many(10000, 100, cursor);
    assert_in_range(messages.first, 0, cursor);
    assert_in_range(messages.size, 10000 * 100, 4 * 10000 * 104);
    unsigned found = 0;
    while (cursor < messages.end) {
        int count = collect(&cursor, &all, PIECES, 1 << 16);
        assert_int_not_equal(count, 0);
        for (int i = 0; i < count; i++)
            found += (unsigned)(iov[i].iov_len / 104);
    }
    assert_int_equal(found, 10000 - 50);
}

/* 64 MiB are the other bound. */
static void
test_bytes_are_a_bound(void **state)
{
    (void)state;
    open_log(1 << 20);
    append_many(300, 1 << 20, 0);
    assert_int_equal(messages.size, LOG_BYTES_MAX);
    assert_int_equal(messages.end, 300);
    /* The ring's last part is lost to frames that must not straddle its end. */
    assert_in_range(messages.end - messages.first, 60, 64);
}

static void
test_the_longest_message(void **state)
{
    (void)state;
    size_t longest = LOG_BYTES_MAX - FRAME_LENGTH;
    char *data = calloc(1, longest + 1);
    assert_non_null(data);
    open_log(10);
    append("a0", 0);
    assert_fails(log_append(&messages, data, longest + 1, 0), EMSGSIZE);
    assert_int_equal(messages.end, 1);
    assert_int_equal(messages.first, 0); /* nothing was forgotten for it */
    assert_int_equal(log_append(&messages, data, longest, 0), 0);
    assert_int_equal(messages.end, 2);
    assert_int_equal(messages.first, 1);
    append("a2", 0);
    uint64_t cursor = 1;
    assert_int_equal(collect(&cursor, &all, PIECES, 1000), 1);
    assert_int_equal(iov[0].iov_len, 6);
    free(data);
}

/* Frames never straddle the ring's end: the one that does not fit goes to the front. */
static void
test_wrapping_around(void **state)
{
    (void)state;
    open_log(1000);
    size_t len = LOG_BYTES_MIN / 4 - FRAME_LENGTH - 1; /* four, and four bytes left over */
    append_many(4, len, 0);
    append_many(1, len, 1); /* in the place of the first */
    assert_int_equal(messages.size, LOG_BYTES_MIN);
    assert_int_equal(messages.first, 1);
    uint64_t cursor = 1;
    assert_int_equal(collect(&cursor, &all, PIECES, LOG_BYTES_MIN), 2);
    assert_int_equal(iov[0].iov_len, 3 * (len + FRAME_LENGTH));
    assert_int_equal(iov[1].iov_len, len + FRAME_LENGTH);
    assert_ptr_equal(iov[1].iov_base, messages.bytes);
    /* An exact fit leaves nothing over: the ring is full, and not empty. */
    append_many(1, len, 2);
    append_many(1, len, 3);
    append_many(1, len, 4);
    assert_int_equal(messages.first, 4);
    assert_int_equal(messages.end, 8);
    assert_int_equal(messages.size, LOG_BYTES_MIN);
}

/* So many bytes are left at the ring's end: what is longer by one byte goes to the front. */
static void
test_the_last_bytes_of_the_ring(void **state)
{
    (void)state;
    for (size_t left = FRAME_LENGTH; left < 20; left++) {
        for (size_t more = 0; more < 6; more++) {
            open_log(1000);
            append_many(1, 100, 0);
            append_many(1, LOG_BYTES_MIN - left - 104 - FRAME_LENGTH, 0);
            append_many(1, left + more - FRAME_LENGTH, 1);
            uint64_t cursor = 2;
            assert_int_equal(collect(&cursor, &all, PIECES, 1000), 1);
            assert_int_equal(iov[0].iov_len, left + more);
            size_t at = (size_t)((unsigned char *)iov[0].iov_base - messages.bytes);
            assert_int_equal(at, more == 0 ? LOG_BYTES_MIN - left : 0);
            assert_int_equal(messages.size, LOG_BYTES_MIN);
            log_close(&messages);
        }
    }
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_adjacent_frames_are_one_piece),
        LOG_TEST(test_what_is_not_wanted_is_left_out),
        LOG_TEST(test_limits_of_one_collection),
        LOG_TEST(test_stopping_after_every_length),
        LOG_TEST(test_an_overtaken_cursor_jumps_to_the_oldest),
        LOG_TEST(test_a_message_begun_outlives_the_log),
        LOG_TEST(test_copies_are_a_bound),
        LOG_TEST(test_the_queue_is_a_bound),
        LOG_TEST(test_it_does_not_grow_for_what_nobody_needs),
        LOG_TEST(test_it_grows_for_what_is_needed),
        LOG_TEST(test_bytes_are_a_bound),
        LOG_TEST(test_the_longest_message),
        LOG_TEST(test_wrapping_around),
        LOG_TEST(test_the_last_bytes_of_the_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

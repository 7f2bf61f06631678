/* Reading frames off a connection, however the bytes come. */
#include "conn_pair.h"

enum {
    STREAM_MAX = 1 << 20,
    LONGEST = 300,
    BUFFER_MAX = 1 << 20, /* bytes a connection may hold for frames no longer than that */
};

static unsigned char stream[STREAM_MAX];
static size_t stream_len;

static void
add_frame(bool ids, uint32_t id, size_t len)
{
    stream_len += frame_head(stream + stream_len, ids, id, len);
    for (size_t i = 0; i < len; i++)
        stream[stream_len++] = (unsigned char)(id + i);
}

/* Frames of these lengths, numbered from 1 by their ids, or by their first byte. */
static void
make_stream(bool ids, const size_t *lengths, size_t count)
{
    stream_len = 0;
    for (size_t i = 0; i < count; i++)
        add_frame(ids, (uint32_t)i + 1, lengths[i]);
}

static void
assert_frame(const struct frame *frame, bool ids, uint32_t id, size_t len)
{
    assert_int_equal(frame->id, ids ? id : 0);
    assert_int_equal(frame->len, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(frame->data[i], (id + i) & 255);
}

static void
send_all(int fd, const unsigned char *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* Takes off the frames that have come; returns the number of the next one. */
static size_t
take_frames(struct conn *conn, const struct framing *framing, const size_t *lengths, size_t next)
{
    for (;; next++) {
        struct frame frame;
        bool skipping = conn->skip > 0;
        bool expected = conn_has_frame(conn, framing);
        int found = conn_next_frame(conn, framing, &frame);
        if (!skipping)
            assert_int_equal(expected, found != 0);
        if (found == 0)
            return next;
        if (lengths[next] > framing->max) {
            assert_int_equal(found, -1);
            assert_int_equal(errno, EMSGSIZE);
            assert_int_equal(frame.id, framing->ids ? next + 1 : 0);
            assert_int_equal(frame.len, lengths[next]);
            assert_null(frame.data);
        } else {
            assert_int_equal(found, 1);
            assert_frame(&frame, framing->ids, (uint32_t)next + 1, lengths[next]);
        }
    }
}

/* Sends the stream in slices, takes off frames as they come, settles in between. */
static void
run_slices(bool ids, const size_t *lengths, size_t count, size_t max, size_t slice, bool shrink)
{
    struct framing framing = {.ids = ids, .max = max};
    struct pair pair;
    size_t next = 0;
    pair_open(&pair, 0);
    for (size_t at = 0; at < stream_len; at += slice) {
        send_all(pair.peer, stream + at, stream_len - at < slice ? stream_len - at : slice);
        while (loop_turn(&pair.loop, LOOP_NOW) == 0) {
            assert_true(pair.conn.readable);
            assert_int_equal(conn_read(&pair.conn), 0);
            assert_false(pair.conn.readable);
            next = take_frames(&pair.conn, &framing, lengths, next);
            assert_in_range(pair.conn.in.size, 1, BUFFER_MAX);
            if (shrink)
                conn_shrink(&pair.conn);
        }
    }
    assert_int_equal(next, count);
    pair_close(&pair);
}

static void
test_slices_of_every_size(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 2, 3, 0, 0, 4, 5, 7, 8, 9, 63, 64, 65, 255, 256, 257};
    for (int ids = 0; ids < 2; ids++) {
        make_stream(ids, lengths, LENGTH(lengths));
        for (size_t slice = 1; slice <= stream_len; slice++)
            run_slices(ids, lengths, LENGTH(lengths), LONGEST, slice, slice % 2);
    }
}

static void
test_frames_too_long_are_passed_over(void **state)
{
    (void)state;
    static const size_t lengths[] = {3, 11, 10, 12, 300, 0, 11, 11, 10, 1000, 1};
    for (int ids = 0; ids < 2; ids++) {
        make_stream(ids, lengths, LENGTH(lengths));
        for (size_t slice = 1; slice <= stream_len; slice++)
            run_slices(ids, lengths, LENGTH(lengths), 10, slice, slice % 2);
    }
}

/* Long ones in large slices; what is passed over needs no memory. */
static void
test_long_frames(void **state)
{
    (void)state;
    static const size_t lengths[] = {70000, 5, 200000, 0, 131072, 131073, 65536, 1};
    static const size_t slices[] = {997, 4096, 65536, 100000, STREAM_MAX};
    for (size_t i = 0; i < LENGTH(slices); i++) {
        make_stream(true, lengths, LENGTH(lengths));
        size_t slice = slices[i] < 100000 ? slices[i] : 100000; /* what the kernel takes */
        run_slices(true, lengths, LENGTH(lengths), 200000, slice, i % 2);
        run_slices(true, lengths, LENGTH(lengths), 1000, slice, i % 2);
    }
}

/* The largest length that can be claimed: memory follows what came, not what is claimed. */
static void
test_a_claim_costs_nothing(void **state)
{
    (void)state;
    struct framing framing = {.max = UINT32_MAX};
    struct frame frame;
    struct pair pair;
    pair_open(&pair, 0);
    send_all(pair.peer,
        (const void *)"\xff\xff\xff\xff"
                      "abc",
        7);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(conn_read(&pair.conn), 0);
        assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 0);
    }
    assert_in_range(pair.conn.in.size, 1, BUFFER_MAX);
    static const unsigned char dust[1000];
    for (size_t received = 7; received < 4 << 20; received += sizeof(dust)) {
        send_all(pair.peer, dust, sizeof(dust));
        assert_int_equal(conn_read(&pair.conn), 0);
        assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 0);
        assert_in_range(pair.conn.in.size, 1, 2 * received + BUFFER_MAX);
    }
    pair_close(&pair);
}

/* An idle connection holds no buffer; the next to receive takes the one it gave back. */
static void
test_settling(void **state)
{
    (void)state;
    struct framing framing = {.max = LONGEST};
    struct frame frame;
    struct pair pair;
    pair_open(&pair, 0);
    assert_null(pair.conn.in.data);
    stream_len = 0;
    add_frame(false, 1, 200);
    send_all(pair.peer, stream, stream_len);
    assert_int_equal(conn_read(&pair.conn), 0);
    assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 1);
    const unsigned char *buffer = pair.conn.in.data;
    conn_shrink(&pair.conn);
    assert_null(pair.conn.in.data);
    assert_ptr_equal(pair.spare.data, buffer);

    /* Half a frame waits in a small buffer, and the large one is given back. */
    send_all(pair.peer, stream, 150);
    assert_int_equal(conn_read(&pair.conn), 0);
    assert_ptr_equal(pair.conn.in.data, buffer);
    assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 0);
    conn_shrink(&pair.conn);
    assert_in_range(pair.conn.in.size, 150, 1024);
    assert_ptr_equal(pair.spare.data, buffer);
    send_all(pair.peer, stream + 150, stream_len - 150);
    while (conn_next_frame(&pair.conn, &framing, &frame) == 0)
        assert_int_equal(conn_read(&pair.conn), 0);
    assert_frame(&frame, false, 1, 200);
    pair_close(&pair);
}

static void
test_what_was_lent_outlives_the_connection(void **state)
{
    (void)state;
    struct framing framing = {.ids = true, .max = LONGEST};
    struct frame frame;
    struct pair pair;
    pair_open(&pair, 0);
    stream_len = 0;
    add_frame(true, 9, 250);
    send_all(pair.peer, stream, stream_len);
    assert_int_equal(conn_read(&pair.conn), 0);
    assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 1);
    conn_detach(&pair.conn);
    assert_frame(&frame, true, 9, 250);
    pair_close(&pair);
}

/* Frames sent before the end arrive; half a frame does not; the end is told once all is read. */
static void
test_the_end(void **state)
{
    (void)state;
    struct framing framing = {.max = LONGEST};
    struct frame frame;
    struct pair pair;
    pair_open(&pair, 0);
    stream_len = 0;
    add_frame(false, 1, 20);
    add_frame(false, 2, 20);
    send_all(pair.peer, stream, stream_len - 1);
    assert_int_equal(close(pair.peer), 0);
    pair.peer = -1;
    assert_int_equal(loop_turn(&pair.loop, LOOP_NOW), 0);
    assert_true(pair.conn.hangup);
    assert_int_equal(conn_read(&pair.conn), 0);
    assert_false(pair.conn.ended);
    assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 1);
    assert_frame(&frame, false, 1, 20);
    assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 0);
    assert_int_equal(conn_read(&pair.conn), 0);
    assert_true(pair.conn.ended);
    assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 0);
    pair_close(&pair);
}

static void
test_nothing_to_read(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 0);
    assert_fails(loop_turn(&pair.loop, LOOP_NOW), ETIMEDOUT);
    assert_int_equal(conn_read(&pair.conn), 0);
    assert_false(pair.conn.ended);
    assert_false(pair.conn.hangup);
    pair_close(&pair);
}

/* A new connection begins with a new frame, not with what the last one left over. */
static void
test_another_connection_starts_afresh(void **state)
{
    (void)state;
    struct framing framing = {.max = 100};
    struct frame frame;
    struct pair pair;
    static const unsigned char half[] = "\0\0\0\5ab", long_one[] = "\0\0\1\0abc";
    pair_open(&pair, 0);
    for (int i = 0; i < 2; i++) {
        send_all(pair.peer, i == 0 ? half : long_one, 6);
        assert_int_equal(conn_read(&pair.conn), 0);
        assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), i == 0 ? 0 : -1);
        conn_detach(&pair.conn);
        assert_int_equal(close(pair.peer), 0);
        pair_connect(&pair, 0);
        send_all(pair.peer, (const void *)"\0\0\0\2xy", 6);
        assert_int_equal(conn_read(&pair.conn), 0);
        assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 1);
        assert_memory_equal(frame.data, "xy", 2);
    }
    pair_close(&pair);
}

/* The calls succeed, so what errno says is from before. */
static void
test_an_old_errno_is_not_looked_at(void **state)
{
    (void)state;
    const int old[] = {EINTR, EAGAIN, EMSGSIZE, ECONNRESET};
    (void)alarm(10); /* ends a loop that does look */
    for (size_t i = 0; i < LENGTH(old); i++) {
        struct pair pair;
        struct framing framing = {.max = 100};
        struct frame frame;
        pair_open(&pair, 0);
        stream_len = 0;
        add_frame(false, 1, 10);
        send_all(pair.peer, stream, stream_len);
        errno = old[i];
        assert_int_equal(conn_read(&pair.conn), 0);
        errno = old[i];
        assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 1);
        assert_frame(&frame, false, 1, 10);
        errno = old[i];
        assert_int_equal(conn_next_frame(&pair.conn, &framing, &frame), 0);
        assert_int_equal(shutdown(pair.peer, SHUT_WR), 0);
        errno = old[i];
        assert_int_equal(conn_read(&pair.conn), 0);
        assert_true(pair.conn.ended);
        pair_close(&pair);
    }
    (void)alarm(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_of_every_size),
        cmocka_unit_test(test_frames_too_long_are_passed_over),
        cmocka_unit_test(test_long_frames),
        cmocka_unit_test(test_a_claim_costs_nothing),
        cmocka_unit_test(test_settling),
        cmocka_unit_test(test_what_was_lent_outlives_the_connection),
        cmocka_unit_test(test_the_end),
        cmocka_unit_test(test_nothing_to_read),
        cmocka_unit_test(test_another_connection_starts_afresh),
        cmocka_unit_test(test_an_old_errno_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Writing frames to a connection, however few bytes the kernel takes at a time. */
#include "conn_pair.h"

enum {
    SMALL = 1, /* the kernel makes its smallest buffer of it */
    LONGEST = 20000,
};

static const struct framing framing = {.ids = true, .max = 1 << 20};

/* What the peer is to receive, and how much of it came. */
static unsigned char expected[1 << 20];
static size_t expected_len, received;

static unsigned char body[LONGEST];

static int
setup(void **state)
{
    (void)state;
    expected_len = received = 0;
    return 0;
}

/* Writes a frame whose bytes tell it from others. */
static void
write_frame(struct pair *pair, uint32_t id, size_t len)
{
    for (size_t i = 0; i < len; i++)
        body[i] = (unsigned char)(id * 7 + i);
    assert_int_equal(conn_write(&pair->conn, &framing, id, body, len), 0);
    memset(body, 0xee, len); /* the caller's again */
}

static void
expect_frame(uint32_t id, size_t len)
{
    expected_len += frame_head(expected + expected_len, true, id, len);
    for (size_t i = 0; i < len; i++)
        expected[expected_len++] = (unsigned char)(id * 7 + i);
}

/* The peer reads at most so many bytes; returns how many there were. */
static size_t
peer_read(struct pair *pair, size_t max)
{
    static unsigned char buf[1 << 16];
    ssize_t n = recv(pair->peer, buf, max < sizeof(buf) ? max : sizeof(buf), 0);
    if (n <= 0)
        return 0;
    assert_true(received + (size_t)n <= expected_len);
    assert_memory_equal(buf, expected + received, (size_t)n);
    received += (size_t)n;
    return (size_t)n;
}

/* The peer reads all, slice by slice, while the connection sends the rest. */
static void
finish(struct pair *pair, size_t slice)
{
    for (int idle = 0; idle < 3; idle++) {
        while (peer_read(pair, slice) > 0)
            idle = 0;
        (void)loop_turn(&pair->loop, LOOP_NOW);
    }
    assert_int_equal(received, expected_len);
    assert_int_equal(conn_pending(&pair->conn), 0);
    assert_int_equal(pair->conn.source.events & EPOLLOUT, 0); /* nothing to wait for */
}

static void
test_what_fits_goes_at_once(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 0);
    for (uint32_t id = 1; id < 100; id++) {
        write_frame(&pair, id, id - 1);
        expect_frame(id, id - 1);
        assert_int_equal(conn_pending(&pair.conn), 0);
    }
    finish(&pair, 1000);
    pair_close(&pair);
}

/* Short writes: the rest is kept and goes when it can, in order, nothing lost or twice. */
static void
test_short_writes_of_every_size(void **state)
{
    (void)state;
    for (size_t len = 1; len < LONGEST; len = len * 3 / 2 + 1) {
        for (size_t slice = 1; slice < 70000; slice = slice * 7 + 1) {
            struct pair pair;
            setup(NULL);
            pair_open(&pair, SMALL);
            size_t pending = 0;
            for (uint32_t id = 1; id < 20; id++) {
                write_frame(&pair, id, len);
                expect_frame(id, len);
                pending |= conn_pending(&pair.conn);
                if (slice > 100 || len < 100)
                    (void)peer_read(&pair, slice);
            }
            if (len > 5000)
                assert_int_not_equal(pending, 0); /* there was something to keep */
            finish(&pair, slice < 100 && expected_len > 50000 ? 1000 : slice);
            pair_close(&pair);
        }
    }
}

/* A frame in three pieces of which any number of bytes has gone. */
static void
test_keeping_the_rest_of_a_frame(void **state)
{
    (void)state;
    char a[] = "abc", b[] = "", c[] = "defgh";
    struct iovec iov[] = {{a, 3}, {b, 0}, {c, 5}};
    memcpy(expected, "abcdefgh", 8);
    for (size_t sent = 0; sent <= 8; sent++) {
        struct pair pair;
        pair_open(&pair, 0);
        assert_int_equal(conn_queue(&pair.conn, iov, 3, sent), 0);
        assert_int_equal(conn_pending(&pair.conn), 8 - sent);
        expected_len = 8;
        received = sent;
        finish(&pair, 100);
        pair_close(&pair);
    }
}

/* Fills the kernel's buffer, with a frame that is half sent; returns what is kept of it. */
static size_t
fill(struct pair *pair)
{
    write_frame(pair, 1, LONGEST);
    size_t pending = conn_pending(&pair->conn);
    assert_in_range(pending, 1, LONGEST - 1);
    return pending;
}

static void
test_a_frame_not_begun_can_be_cancelled(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, SMALL);
    size_t begun = fill(&pair);
    expect_frame(1, LONGEST);
    for (int i = 0; i < 3; i++) {
        write_frame(&pair, 2, 100);
        assert_int_equal(conn_pending(&pair.conn), begun + 108);
        conn_cancel(&pair.conn);
        assert_int_equal(conn_pending(&pair.conn), begun);
    }
    /* Part of what is left goes out, and the same again. */
    while (conn_pending(&pair.conn) == begun) {
        assert_int_not_equal(peer_read(&pair, LONGEST), 0);
        assert_int_equal(conn_flush(&pair.conn), 0);
    }
    begun = conn_pending(&pair.conn);
    assert_int_not_equal(begun, 0);
    write_frame(&pair, 3, 100);
    conn_cancel(&pair.conn);
    assert_int_equal(conn_pending(&pair.conn), begun);
    write_frame(&pair, 4, 100);
    expect_frame(4, 100);
    finish(&pair, 1000);
    pair_close(&pair);
}

/* A frame of which nothing has gone is none: to cancel it leaves nothing. */
static void
test_cancelling_all(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 0);
    conn_detach(&pair.conn);
    write_frame(&pair, 1, 50);
    assert_int_equal(conn_pending(&pair.conn), 58);
    conn_cancel(&pair.conn);
    assert_int_equal(conn_pending(&pair.conn), 0);
    conn_cancel(&pair.conn);
    assert_int_equal(close(pair.peer), 0);
    pair_connect(&pair, 0);
    write_frame(&pair, 2, 50);
    expect_frame(2, 50);
    finish(&pair, 1000);
    pair_close(&pair);
}

/* What was written while there was no connection goes out on the next one. */
static void
test_written_before_it_is_connected(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 0);
    conn_detach(&pair.conn);
    assert_int_equal(close(pair.peer), 0);
    write_frame(&pair, 1, 10);
    write_frame(&pair, 2, 20);
    expect_frame(1, 10);
    expect_frame(2, 20);
    pair_connect(&pair, 0);
    assert_int_equal(conn_flush(&pair.conn), 0);
    finish(&pair, 1000);
    pair_close(&pair);
}

/* Half a frame is of no use to another peer; a whole one is. */
static void
test_a_frame_begun_is_lost_with_its_connection(void **state)
{
    (void)state;
    for (int written = 0; written < 2; written++) {
        struct pair pair;
        setup(NULL);
        pair_open(&pair, SMALL);
        (void)fill(&pair);
        if (written) {
            write_frame(&pair, 2, 30);
            expect_frame(2, 30);
        }
        conn_detach(&pair.conn);
        assert_int_equal(conn_pending(&pair.conn), expected_len);
        assert_int_equal(close(pair.peer), 0);
        pair_connect(&pair, 0);
        assert_int_equal(conn_flush(&pair.conn), 0);
        write_frame(&pair, 3, 40);
        expect_frame(3, 40);
        finish(&pair, 1000);
        pair_close(&pair);
    }
}

/* A peer that has gone is an error to report, not a signal to die of. */
static void
test_a_peer_that_has_gone(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, SMALL);
    (void)fill(&pair);
    assert_int_equal(close(pair.peer), 0);
    pair.peer = -1;
    assert_fails(conn_flush(&pair.conn), EPIPE);
    conn_cancel(&pair.conn);
    pair_close(&pair);

    pair_open(&pair, 0);
    assert_int_equal(close(pair.peer), 0);
    pair.peer = -1;
    assert_fails(conn_write(&pair.conn, &framing, 1, "abc", 3), EPIPE);
    assert_int_equal(conn_pending(&pair.conn), 0);
    pair_close(&pair);
}

/* It is waited for only while something is to be sent: else the loop would spin. */
static void
test_readiness_to_send_is_waited_for_when_needed(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, SMALL);
    assert_fails(loop_turn(&pair.loop, LOOP_NOW), ETIMEDOUT);
    (void)fill(&pair);
    expect_frame(1, LONGEST);
    assert_fails(loop_turn(&pair.loop, LOOP_NOW), ETIMEDOUT);
    finish(&pair, LONGEST);
    assert_fails(loop_turn(&pair.loop, LOOP_NOW), ETIMEDOUT);
    pair_close(&pair);
}

/* A long queue of small frames is not copied for each of them. */
static void
test_a_long_queue_grows_seldom(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, SMALL);
    int grown = 0;
    for (uint32_t id = 0; id < 10000; id++) {
        size_t size = pair.conn.out.size;
        write_frame(&pair, id, 100);
        grown += pair.conn.out.size != size;
    }
    assert_true(conn_pending(&pair.conn) > 900000);
    assert_in_range(grown, 1, 100);
    assert_true(pair.conn.out.size < 2 * conn_pending(&pair.conn));
    pair_close(&pair);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_fits_goes_at_once, setup),
        cmocka_unit_test_setup(test_short_writes_of_every_size, setup),
        cmocka_unit_test_setup(test_keeping_the_rest_of_a_frame, setup),
        cmocka_unit_test_setup(test_a_frame_not_begun_can_be_cancelled, setup),
        cmocka_unit_test_setup(test_cancelling_all, setup),
        cmocka_unit_test_setup(test_written_before_it_is_connected, setup),
        cmocka_unit_test_setup(test_a_frame_begun_is_lost_with_its_connection, setup),
        cmocka_unit_test_setup(test_a_peer_that_has_gone, setup),
        cmocka_unit_test_setup(test_readiness_to_send_is_waited_for_when_needed, setup),
        cmocka_unit_test_setup(test_a_long_queue_grows_seldom, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

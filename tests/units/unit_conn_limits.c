/* A connection's bounds: where a write may end, what its buffers keep, how long a close reads. */
#include "conn_pair.h"

#include <sys/syscall.h>

static const struct framing framing = {.ids = true, .max = 16 << 20};

/* How many bytes the kernel still takes, and how often something was received. */
static size_t takes;
static bool endless;
static int receptions;

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
    len = len < takes ? len : takes;
    takes -= len;
    if (len > 0)
        return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
    errno = EAGAIN;
    return -1;
}

ssize_t
recv(int fd, void *data, size_t len, int flags)
{
    receptions++;
    if (!endless)
        return syscall(SYS_recvfrom, fd, data, len, flags, NULL, NULL);
    memset(data, 0, len);
    return (ssize_t)len;
}

/*
 * Two frames; the kernel takes `sent` bytes in one or two writes. What may be dropped then is what
 * the peer has nothing of, and all of that.
 */
static void
test_what_may_be_dropped(void **state)
{
    (void)state;
    static const char body[100], other[50];
    const size_t one = FRAME_HEAD_MAX + sizeof(body), both = one + FRAME_HEAD_MAX + sizeof(other);
    for (size_t sent = 0; sent < both; sent++) {
        /* Of the first frame, some bytes go at once, and the others later. */
        for (size_t first = sent > 0; first < one && first <= sent; first++) {
            size_t rest = sent == 0 ? 0 : (sent <= one ? one : both) - sent;
            size_t whole = sent == 0 ? both : sent <= one ? both - one : 0;
            for (int detach = 0; detach < 2; detach++) {
                struct pair pair;
                pair_open(&pair, 0);
                takes = first;
                assert_int_equal(conn_write(&pair.conn, &framing, 1, body, sizeof(body)), 0);
                assert_int_equal(conn_write(&pair.conn, &framing, 2, other, sizeof(other)), 0);
                takes = sent - first;
                assert_int_equal(conn_flush(&pair.conn), 0);
                assert_int_equal(conn_pending(&pair.conn), both - sent);
                if (detach) {
                    conn_detach(&pair.conn);
                    assert_int_equal(conn_pending(&pair.conn), whole);
                } else {
                    conn_cancel(&pair.conn);
                    assert_int_equal(conn_pending(&pair.conn), rest);
                }
                pair_close(&pair);
            }
        }
    }
}

static void
test_a_buffer_that_is_sent_is_freed(void **state)
{
    (void)state;
    static const char body[1000];
    struct pair pair;
    pair_open(&pair, 0);
    takes = 10;
    for (int i = 0; i < 100; i++)
        assert_int_equal(conn_write(&pair.conn, &framing, 1, body, sizeof(body)), 0);
    assert_true(pair.conn.out.size >= 100 * sizeof(body));
    takes = SIZE_MAX;
    assert_int_equal(conn_flush(&pair.conn), 0);
    assert_null(pair.conn.out.data);
    assert_int_equal(pair.conn.out.size, 0);
    pair_close(&pair);
}

/* Whatever is left of a frame after each read, the rest makes room for more. */
static void
test_what_was_taken_makes_room(void **state)
{
    (void)state;
    static unsigned char data[1 << 16], frame[FRAME_HEAD_MAX + 1000];
    struct pair pair;
    size_t at = 0, size = 0;
    (void)frame_head(frame, true, 1, 1000);
    pair_open(&pair, 0);
    takes = 0;
    for (int i = 0; i < 100; i++) {
        for (size_t k = 0; k < sizeof(data); k++, at++)
            data[k] = frame[at % sizeof(frame)];
        assert_int_equal(write(pair.peer, data, sizeof(data)), sizeof(data));
        struct frame ret;
        assert_int_equal(conn_read(&pair.conn), 0);
        while (conn_next_frame(&pair.conn, &framing, &ret) > 0)
            assert_int_equal(ret.len, 1000);
        size = size > 0 ? size : pair.conn.in.size;
        assert_int_equal(pair.conn.in.size, size);
    }
    pair_close(&pair);
}

/* A frame of many megabytes needs them only until it was taken. */
static void
test_a_large_buffer_is_not_kept(void **state)
{
    (void)state;
    static unsigned char data[1 << 16], head[FRAME_HEAD_MAX];
    struct pair pair;
    struct frame ret;
    const size_t len = 8 << 20;
    pair_open(&pair, 0);
    (void)frame_head(head, true, 1, len);
    assert_int_equal(write(pair.peer, head, sizeof(head)), sizeof(head));
    for (size_t sent = 0; sent < len; sent += sizeof(data)) {
        assert_int_equal(conn_next_frame(&pair.conn, &framing, &ret), 0);
        assert_int_equal(write(pair.peer, data, sizeof(data)), sizeof(data));
        assert_int_equal(conn_read(&pair.conn), 0);
    }
    while (conn_next_frame(&pair.conn, &framing, &ret) == 0)
        assert_int_equal(conn_read(&pair.conn), 0);
    assert_int_equal(ret.len, len);
    conn_shrink(&pair.conn);
    assert_null(pair.conn.in.data);
    assert_in_range(pair.spare.size, 0, 4 << 20);
    pair_close(&pair);
}

/* Of the shared buffer and another one the larger is kept: it need not grow again. */
static void
test_the_larger_buffer_is_kept(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 0);
    assert_int_equal(write(pair.peer, "x", 1), 1);
    assert_int_equal(conn_read(&pair.conn), 0);
    size_t size = 2 * pair.conn.in.size;
    pair.spare = (struct buffer){.data = malloc(size), .size = size};
    pair.conn.in.start = pair.conn.in.end;
    conn_shrink(&pair.conn);
    assert_null(pair.conn.in.data);
    assert_int_equal(pair.spare.size, size);
    pair_close(&pair);
}

static void
test_a_peer_that_never_stops_sending(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, 0);
    endless = true;
    receptions = 0;
    conn_drain(&pair.conn);
    endless = false;
    assert_in_range(receptions, 1, 100);
    pair_close(&pair);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_may_be_dropped),
        cmocka_unit_test(test_a_buffer_that_is_sent_is_freed),
        cmocka_unit_test(test_what_was_taken_makes_room),
        cmocka_unit_test(test_a_large_buffer_is_not_kept),
        cmocka_unit_test(test_the_larger_buffer_is_kept),
        cmocka_unit_test(test_a_peer_that_never_stops_sending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

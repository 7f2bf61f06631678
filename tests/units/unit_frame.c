/* Raw's framing: what a head looks like, and what is a frame, none yet, and never one. */
#include "unit.h"

#include "frame.h"

static void
test_heads(void **state)
{
    (void)state;
    unsigned char buf[FRAME_HEAD_MAX];
    assert_int_equal(frame_head(buf, false, 7, 0x01020304), 4);
    assert_memory_equal(buf, "\1\2\3\4", 4);
    assert_int_equal(frame_head(buf, true, 0xfffefdfc, 0), 8);
    assert_memory_equal(buf, "\0\0\0\4\xff\xfe\xfd\xfc", 8); /* the length counts the id */
    assert_int_equal(frame_head(buf, true, 1, 300), 8);
    assert_memory_equal(buf, "\0\0\1\x30\0\0\0\1", 8);
}

/* A frame of that message length; returns its bytes, to be freed. */
static unsigned char *
make_frame(bool ids, uint32_t id, size_t len, size_t *total)
{
    unsigned char head[FRAME_HEAD_MAX];
    size_t head_len = frame_head(head, ids, id, len);
    unsigned char *bytes = malloc(head_len + len);
    assert_non_null(bytes);
    memcpy(bytes, head, head_len);
    for (size_t i = 0; i < len; i++)
        bytes[head_len + i] = (unsigned char)(i * 7);
    *total = head_len + len;
    return bytes;
}

static void
test_a_frame_is_there_when_its_last_byte_is(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 2, 3, 4, 5, 255, 256, 257, 1000};
    for (int ids = 0; ids < 2; ids++) {
        for (size_t i = 0; i < LENGTH(lengths); i++) {
            struct framing framing = {.ids = ids, .max = 1000};
            struct frame frame, before;
            size_t total;
            unsigned char *bytes = make_frame(ids, 0x80000001, lengths[i], &total);
            memset(&before, 0xa5, sizeof(before));
            for (size_t len = 0; len < total; len++) {
                unsigned char *part = exact_copy(bytes, len);
                frame = before;
                assert_int_equal(frame_read(&frame, &framing, part, len), 0);
                assert_memory_equal(&frame, &before, sizeof(frame));
                free(part);
            }
            assert_int_equal(frame_read(&frame, &framing, bytes, total), total);
            assert_int_equal(frame.id, ids ? 0x80000001 : 0);
            assert_int_equal(frame.len, lengths[i]);
            assert_ptr_equal(frame.data, bytes + total - lengths[i]);
            free(bytes);
        }
    }
}

static void
test_what_follows_is_another_frame(void **state)
{
    (void)state;
    struct framing framing = {.max = 10};
    struct frame frame;
    assert_int_equal(frame_read(&frame, &framing, (const void *)"\0\0\0\1a\0\0\0\1b", 10), 5);
    assert_int_equal(frame.len, 1);
    assert_int_equal(frame.data[0], 'a');
}

/* Too long is known from the head alone, and says how much there is to pass over. */
static void
test_a_frame_too_long(void **state)
{
    (void)state;
    static const size_t lengths[] = {11, 12, 65536, UINT32_MAX - FRAME_ID};
    for (int ids = 0; ids < 2; ids++) {
        for (size_t i = 0; i < LENGTH(lengths); i++) {
            struct framing framing = {.ids = ids, .max = 10};
            unsigned char head[FRAME_HEAD_MAX];
            size_t head_len = frame_head(head, ids, 42, lengths[i]);
            for (size_t len = 0; len < head_len; len++) {
                struct frame frame;
                assert_int_equal(frame_read(&frame, &framing, head, len), 0);
            }
            struct frame frame = {.data = head};
            assert_fails(frame_read(&frame, &framing, head, head_len), EMSGSIZE);
            assert_int_equal(frame.id, ids ? 42 : 0);
            assert_int_equal(frame.len, lengths[i]);
            assert_null(frame.data);
        }
    }
}

static void
test_the_limit_itself_is_allowed(void **state)
{
    (void)state;
    for (int ids = 0; ids < 2; ids++) {
        for (size_t max = 0; max < 20; max++) {
            struct framing framing = {.ids = ids, .max = max};
            struct frame frame;
            size_t total;
            unsigned char *bytes = make_frame(ids, 1, max, &total);
            assert_int_equal(frame_read(&frame, &framing, bytes, total), total);
            free(bytes);
            bytes = make_frame(ids, 1, max + 1, &total);
            assert_fails(frame_read(&frame, &framing, bytes, total), EMSGSIZE);
            free(bytes);
        }
    }
}

static void
test_a_length_that_does_not_cover_the_id(void **state)
{
    (void)state;
    struct framing framing = {.ids = true, .max = 1000};
    struct frame frame;
    for (unsigned char claimed = 0; claimed < FRAME_ID; claimed++) {
        unsigned char bytes[FRAME_HEAD_MAX] = {0, 0, 0, claimed};
        assert_fails(frame_read(&frame, &framing, bytes, 4), EBADMSG);
        assert_fails(frame_read(&frame, &framing, bytes, 8), EBADMSG);
    }
    framing.ids = false;
    assert_int_equal(frame_read(&frame, &framing, (const void *)"\0\0\0\0", 4), 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_a_frame_is_there_when_its_last_byte_is),
        cmocka_unit_test(test_what_follows_is_another_frame),
        cmocka_unit_test(test_a_frame_too_long),
        cmocka_unit_test(test_the_limit_itself_is_allowed),
        cmocka_unit_test(test_a_length_that_does_not_cover_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

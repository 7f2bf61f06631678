/*
 * The message format. The golden bytes were written by hand from the format's description, not
 * by the encoder: both directions are held against them.
 */
#include "unit.h"

#include "message.h"

struct golden {
    const char *hex;
    struct message message;
};

#define TEXT(text) .body = (text), .body_len = sizeof(text) - 1
#define TOPIC(text) .topic = (text), .topic_len = sizeof(text) - 1

static const struct golden goldens[] = {
    /* a request of five bytes */
    {"00 01 01 0000 00000005 0000000000000001 0102030405060708 68656c6c6f",
        {.kind = MESSAGE_REQUEST, .sequence = 1, .sent = 0x0102030405060708, TEXT("hello")}},
    /* the smallest message: nothing but the header */
    {"00 01 02 0000 00000000 0000000000000000 0000000000000000", {.kind = MESSAGE_REPLY}},
    /* an event: the topic comes first; the numbers at their largest */
    {"726169 6e 00 01 03 0000 00000003 ffffffffffffffff ffffffffffffffff 342e32",
        {TOPIC("rain"), .kind = MESSAGE_EVENT, .sequence = UINT64_MAX, .sent = UINT64_MAX,
            TEXT("4.2")}},
    /* a topic of bytes that look like the header, and a body with a NUL */
    {"0101 00 01 03 0000 00000004 0000000100000000 0000000000000080 00010203",
        {TOPIC("\1\1"), .kind = MESSAGE_EVENT, .sequence = UINT64_C(1) << 32, .sent = 128,
            TEXT("\0\1\2\3")}},
    /* an error: a sentence in UTF-8 */
    {"00 01 04 0000 00000003 0000000000000009 000000000000000a e282ac",
        {.kind = MESSAGE_ERROR, .sequence = 9, .sent = 10, TEXT("\xe2\x82\xac")}},
};

enum {
    GOLDEN_MAX = 64,
};

/* The bytes of a golden message; returns their number. */
static size_t
golden_bytes(unsigned char buf[GOLDEN_MAX], const char *hex)
{
    size_t len = 0;
    while (*hex) {
        char pair[3] = {hex[0], hex[1], '\0'};
        buf[len++] = (unsigned char)strtoul(pair, NULL, 16);
        hex += 2;
        hex += strspn(hex, " ");
    }
    return len;
}

static void
assert_message_equal(const struct message *a, const struct message *b)
{
    assert_int_equal(a->topic_len, b->topic_len);
    if (a->topic_len > 0)
        assert_memory_equal(a->topic, b->topic, a->topic_len);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->sent, b->sent);
    assert_int_equal(a->body_len, b->body_len);
    if (a->body_len > 0)
        assert_memory_equal(a->body, b->body, a->body_len);
}

static void
test_encodes_the_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(goldens); i++) {
        unsigned char expected[GOLDEN_MAX], buf[GOLDEN_MAX];
        const struct message *message = &goldens[i].message;
        size_t len = golden_bytes(expected, goldens[i].hex);
        size_t head = len - message->body_len;
        assert_int_equal(message_length(message), len);
        assert_int_equal(message_encode(message, buf, len), len);
        assert_memory_equal(buf, expected, len);
        memset(buf, 0xee, sizeof(buf));
        assert_int_equal(message_encode_head(message, buf, head), head);
        assert_memory_equal(buf, expected, head);
        assert_int_equal(buf[head], 0xee);
    }
}

static void
test_decodes_the_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(goldens); i++) {
        unsigned char bytes[GOLDEN_MAX];
        size_t len = golden_bytes(bytes, goldens[i].hex);
        struct message message;
        assert_int_equal(message_decode(&message, bytes, len), 0);
        assert_message_equal(&message, &goldens[i].message);
        if (message.body_len > 0)
            assert_ptr_equal(message.body, bytes + len - message.body_len); /* not a copy */
    }
}

/* EBADMSG, nothing written to the result, nothing read past the end. */
static void
assert_rejected(const unsigned char *bytes, size_t len)
{
    struct message message, before;
    memset(&before, 0xa5, sizeof(before));
    message = before;
    unsigned char *copy = exact_copy(bytes, len);
    assert_fails(message_decode(&message, copy, len), EBADMSG);
    assert_memory_equal(&message, &before, sizeof(message));
    free(copy);
}

static void
test_every_truncation_is_rejected(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(goldens); i++) {
        unsigned char bytes[GOLDEN_MAX + 1] = {0};
        size_t len = golden_bytes(bytes, goldens[i].hex);
        for (size_t cut = 0; cut < len; cut++)
            assert_rejected(bytes, cut);
        assert_rejected(bytes, len + 1); /* nor may anything follow */
    }
}

/* A changed byte makes no message, or the very message that these bytes encode. */
static void
test_every_corruption_is_rejected_or_consistent(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(goldens); i++) {
        unsigned char bytes[GOLDEN_MAX], again[GOLDEN_MAX];
        size_t len = golden_bytes(bytes, goldens[i].hex);
        for (size_t at = 0; at < len; at++) {
            for (unsigned change = 1; change < 256; change++) {
                struct message message;
                bytes[at] ^= (unsigned char)change;
                unsigned char *copy = exact_copy(bytes, len);
                if (message_decode(&message, copy, len) == 0) {
                    assert_int_equal(message_encode(&message, again, len), len);
                    assert_memory_equal(again, bytes, len);
                } else {
                    assert_int_equal(errno, EBADMSG);
                }
                free(copy);
                bytes[at] ^= (unsigned char)change;
            }
        }
    }
}

/* In the header of the first golden message, which bytes may have which values. */
static void
test_header_fields_are_checked(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char low, high; /* accepted */
    } fields[] = {{1, 1, 1}, {2, 1, 4}, {3, 0, 0}, {4, 0, 0}, {5, 0, 0}, {6, 0, 0}, {7, 0, 0},
        {8, 5, 5}, {9, 0, 255}, {16, 0, 255}, {17, 0, 255}, {24, 0, 255}};
    unsigned char bytes[GOLDEN_MAX];
    size_t len = golden_bytes(bytes, goldens[0].hex);
    for (size_t i = 0; i < LENGTH(fields); i++) {
        unsigned char right = bytes[fields[i].at];
        for (unsigned value = 0; value < 256; value++) {
            struct message message;
            bytes[fields[i].at] = (unsigned char)value;
            bool accepted = message_decode(&message, bytes, len) == 0;
            assert_int_equal(accepted, value >= fields[i].low && value <= fields[i].high);
        }
        bytes[fields[i].at] = right;
    }
}

static void
test_topic_limits(void **state)
{
    (void)state;
    char topic[MESSAGE_TOPIC_MAX + 1];
    unsigned char buf[sizeof(topic) + MESSAGE_HEADER];
    struct message message = {.topic = topic, .kind = MESSAGE_EVENT}, decoded;
    memset(topic, 't', sizeof(topic));
    for (size_t len = 0; len <= MESSAGE_TOPIC_MAX; len++) {
        message.topic_len = len;
        assert_int_equal(message_encode(&message, buf, sizeof(buf)), len + MESSAGE_HEADER);
        assert_int_equal(message_decode(&decoded, buf, len + MESSAGE_HEADER), 0);
        assert_message_equal(&decoded, &message);
    }
    message.topic_len = MESSAGE_TOPIC_MAX + 1;
    assert_fails(message_encode(&message, buf, sizeof(buf)), EINVAL);
    assert_fails(message_encode_head(&message, buf, sizeof(buf)), EINVAL);
    /* The same made by hand: a longer topic is none. */
    memmove(buf + 1, buf, MESSAGE_TOPIC_MAX + MESSAGE_HEADER);
    buf[0] = 't';
    assert_rejected(buf, sizeof(buf));

    for (size_t at = 0; at < 3; at++) {
        char with_nul[] = "abc";
        with_nul[at] = '\0';
        struct message bad = {.topic = with_nul, .topic_len = 3, .kind = MESSAGE_EVENT};
        assert_fails(message_encode(&bad, buf, sizeof(buf)), EINVAL);
    }
}

static void
test_a_buffer_too_small_stays_untouched(void **state)
{
    (void)state;
    unsigned char buf[GOLDEN_MAX], before[GOLDEN_MAX];
    memset(before, 0x5a, sizeof(before));
    for (size_t i = 0; i < LENGTH(goldens); i++) {
        const struct message *message = &goldens[i].message;
        size_t len = message_length(message);
        memcpy(buf, before, sizeof(buf));
        for (size_t size = 0; size < len; size++)
            assert_fails(message_encode(message, buf, size), EMSGSIZE);
        for (size_t size = 0; size < len - message->body_len; size++)
            assert_fails(message_encode_head(message, buf, size), EMSGSIZE);
        assert_memory_equal(buf, before, sizeof(buf));
    }
}

static void
test_a_body_over_4_gib_is_refused(void **state)
{
    (void)state;
    unsigned char buf[MESSAGE_HEAD_MAX];
    struct message message = {.kind = MESSAGE_REQUEST, .body = buf, .body_len = UINT32_MAX};
    assert_int_equal(message_encode_head(&message, buf, sizeof(buf)), MESSAGE_HEADER);
    assert_memory_equal(buf + 5, "\xff\xff\xff\xff", 4);
    message.body_len++;
    assert_fails(message_encode_head(&message, buf, sizeof(buf)), EINVAL);
}

static void
test_random_messages_survive(void **state)
{
    (void)state;
    uint64_t seed = 2;
    char topic[MESSAGE_TOPIC_MAX];
    static unsigned char body[3000], buf[MESSAGE_HEAD_MAX + sizeof(body)];
    for (int i = 0; i < 2000; i++) {
        struct message decoded;
        struct message message = {
            .topic = topic,
            .topic_len = random_below(&seed, sizeof(topic) + 1),
            .kind = (enum message_kind)(1 + random_below(&seed, 4)),
            .sequence = random_below(&seed, UINT64_MAX),
            .sent = random_below(&seed, UINT64_MAX),
            .body = body,
            .body_len = random_below(&seed, sizeof(body) + 1),
        };
        for (size_t k = 0; k < message.topic_len; k++)
            topic[k] = (char)(1 + random_below(&seed, 255));
        for (size_t k = 0; k < message.body_len; k++)
            body[k] = (unsigned char)random_below(&seed, 256);
        size_t len = message_length(&message);
        assert_int_equal(message_encode(&message, buf, sizeof(buf)), len);
        unsigned char *copy = exact_copy(buf, len);
        assert_int_equal(message_decode(&decoded, copy, len), 0);
        assert_message_equal(&decoded, &message);
        free(copy);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodes_the_golden_bytes),
        cmocka_unit_test(test_decodes_the_golden_bytes),
        cmocka_unit_test(test_every_truncation_is_rejected),
        cmocka_unit_test(test_every_corruption_is_rejected_or_consistent),
        cmocka_unit_test(test_header_fields_are_checked),
        cmocka_unit_test(test_topic_limits),
        cmocka_unit_test(test_a_buffer_too_small_stays_untouched),
        cmocka_unit_test(test_a_body_over_4_gib_is_refused),
        cmocka_unit_test(test_random_messages_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

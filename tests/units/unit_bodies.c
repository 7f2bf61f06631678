/* Bodies: made ones stay what they are though heads are written in front of them. */
#include "unit.h"

#include "bodies.h"

#include <stdio.h>
#include <unistd.h>

/* Encodes the message, and decodes it as its receiver would. */
static void
assert_carried(const struct message *message)
{
    struct message decoded;
    size_t len = 0;
    const void *bytes = bodies_encode(message, &len);
    assert_int_equal(len, message_length(message));
    assert_int_equal(message_decode(&decoded, bytes, len), 0);
    assert_int_equal(decoded.topic_len, message->topic_len);
    if (message->topic_len > 0)
        assert_memory_equal(decoded.topic, message->topic, message->topic_len);
    assert_int_equal(decoded.sequence, message->sequence);
    assert_int_equal(decoded.sent, message->sent);
    assert_int_equal(decoded.body_len, message->body_len);
    assert_ptr_equal(decoded.body, message->body); /* in place, not copied */
}

static void
test_byte_i_is_sequence_plus_i(void **state)
{
    (void)state;
    static const int64_t sizes[] = {-1, 0, 1, 2, 24, 25, 100, 255, 256, 257, 1000};
    char topic[MESSAGE_TOPIC_MAX];
    uint64_t seed = 8;
    memset(topic, 't', sizeof(topic));
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        struct options options = {.size = sizes[s]};
        struct bodies bodies;
        size_t expected_len = sizes[s] > 0 ? (size_t)sizes[s] : 0;
        assert_int_equal(bodies_open(&bodies, &options), 0);
        for (uint64_t sequence = 1; sequence < 1200; sequence++) {
            struct message message = {
                .topic = topic,
                .topic_len = random_below(&seed, sizeof(topic) + 1),
                .kind = MESSAGE_EVENT,
                .sequence = sequence % 3 == 0 ? random_below(&seed, UINT64_MAX) : sequence,
                .sent = UINT64_MAX,
            };
            assert_int_equal(bodies_next(&bodies, &message), 1);
            for (int twice = 0; twice < 2; twice++) {
                assert_int_equal(message.body_len, expected_len);
                const unsigned char *body = message.body;
                for (size_t i = 0; i < expected_len; i++)
                    assert_int_equal(body[i], (message.sequence + i) & 255);
                assert_carried(&message);
            }
        }
        bodies_close(&bodies);
    }
}

static void
test_texts_take_turns(void **state)
{
    (void)state;
    static char *texts[] = {"one", "", "three"};
    struct options options = {.size = -1, .texts = texts, .texts_len = 3};
    struct bodies bodies;
    assert_int_equal(bodies_open(&bodies, &options), 0);
    for (unsigned i = 0; i < 10; i++) {
        struct message message = {.kind = MESSAGE_REQUEST, .sequence = i + 1};
        assert_int_equal(bodies_next(&bodies, &message), 1);
        assert_int_equal(message.body_len, strlen(texts[i % 3]));
        assert_memory_equal(message.body, texts[i % 3], message.body_len);
        assert_carried(&message);
    }
    bodies_close(&bodies);
}

/* Standard input holds this from now on. */
static void
give_input(const char *text, size_t len)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    rewind(file);
    assert_int_not_equal(dup2(fileno(file), STDIN_FILENO), -1);
    assert_int_equal(fclose(file), 0);
    rewind(stdin); /* forgets the end, and what was read ahead */
}

static void
assert_line(struct bodies *bodies, const char *text, size_t len)
{
    struct message message = {.topic = "topic", .topic_len = 5, .kind = MESSAGE_EVENT};
    assert_int_equal(bodies_next(bodies, &message), 1);
    assert_int_equal(message.body_len, len);
    if (len > 0)
        assert_memory_equal(message.body, text, len);
    assert_carried(&message);
}

static void
test_lines_of_standard_input(void **state)
{
    (void)state;
    static char *texts[] = {"-"};
    static char input[5000];
    char *end = input;
    struct options options = {
        .size = -1, .texts = texts, .texts_len = 1, .lines = true, .tuning.message_max = 2000};
    struct bodies bodies;
    struct message message = {0};
    memset(input, 'x', sizeof(input));
    memcpy(end, "first\n\na\0b\n", 11);
    end += 11;
    end += 2000; /* a line as long as may be */
    *end++ = '\n';
    end += 2001; /* and one byte more */
    *end++ = '\n';
    memcpy(end, "last", 4); /* without an end */
    end += 4;
    give_input(input, (size_t)(end - input));

    assert_int_equal(bodies_open(&bodies, &options), 0);
    assert_line(&bodies, "first", 5);
    assert_line(&bodies, "", 0);
    assert_line(&bodies, "a\0b", 3);
    assert_line(&bodies, input + 11, 2000);
    assert_fails(bodies_next(&bodies, &message), EMSGSIZE);
    assert_line(&bodies, "last", 4);
    assert_int_equal(bodies_next(&bodies, &message), 0);
    assert_int_equal(bodies_next(&bodies, &message), 0);
    bodies_close(&bodies);
}

static void
test_closing_nothing(void **state)
{
    (void)state;
    struct bodies bodies = {0};
    bodies_close(&bodies);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_i_is_sequence_plus_i),
        cmocka_unit_test(test_texts_take_turns),
        cmocka_unit_test(test_lines_of_standard_input),
        cmocka_unit_test(test_closing_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

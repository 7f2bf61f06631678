/* The table of topics: 4096 of them, found again, and no more. */
#include "unit.h"

#include "topics.h"

#include <stdio.h>

static struct topics topics; /* large */

static int
reset(void **state)
{
    (void)state;
    memset(&topics, 0, sizeof(topics));
    return 0;
}

static void
test_a_topic_is_found_again(void **state)
{
    (void)state;
    struct topic *topic = topics_find(&topics, "rain", 4);
    assert_non_null(topic);
    assert_int_equal(topic->sequence, 0);
    topic->sequence = 7;
    assert_ptr_equal(topics_find(&topics, "rain", 4), topic);
    assert_int_equal(topic->sequence, 7);
    assert_int_equal(topics.count, 1);
}

/* Bytes with a length: beginnings, NULs and the empty one are names of their own. */
static void
test_names_are_bytes(void **state)
{
    (void)state;
    char longest[MESSAGE_TOPIC_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    struct {
        const char *name;
        size_t len;
    } names[] = {{"", 0}, {"rain", 4}, {"rai", 3}, {"rain\0", 5}, {"rain\0a", 6}, {"\xff\0", 2},
        {longest, MESSAGE_TOPIC_MAX}, {longest, MESSAGE_TOPIC_MAX - 1}};
    struct topic *found[LENGTH(names)];
    for (size_t i = 0; i < LENGTH(names); i++) {
        found[i] = topics_find(&topics, names[i].name, names[i].len);
        assert_non_null(found[i]);
        for (size_t k = 0; k < i; k++)
            assert_ptr_not_equal(found[i], found[k]);
    }
    for (size_t i = 0; i < LENGTH(names); i++)
        assert_ptr_equal(topics_find(&topics, names[i].name, names[i].len), found[i]);
    assert_null(topics_find(&topics, longest, sizeof(longest)));
}

static void
test_no_more_than_4096(void **state)
{
    (void)state;
    static struct topic *found[TOPICS_MAX];
    char name[32];
    assert_int_equal(TOPICS_MAX, 4096);
    for (unsigned i = 0; i < TOPICS_MAX; i++) {
        size_t len = (size_t)snprintf(name, sizeof(name), "sensor/%u", i);
        found[i] = topics_find(&topics, name, len);
        assert_non_null(found[i]);
        found[i]->sequence = i + 1;
    }
    assert_null(topics_find(&topics, "another", 7));
    assert_null(topics_find(&topics, "", 0));
    for (unsigned i = 0; i < TOPICS_MAX; i++) {
        size_t len = (size_t)snprintf(name, sizeof(name), "sensor/%u", i);
        assert_ptr_equal(topics_find(&topics, name, len), found[i]);
        assert_int_equal(found[i]->sequence, i + 1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_topic_is_found_again, reset),
        cmocka_unit_test_setup(test_names_are_bytes, reset),
        cmocka_unit_test_setup(test_no_more_than_4096, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

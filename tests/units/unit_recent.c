/* The window of recent requests, held against a list of all that were ever added. */
#include "unit.h"

#include "recent.h"

static void
test_the_window_is_1024_wide(void **state)
{
    (void)state;
    static struct recent recent;
    recent = (struct recent){0};
    assert_int_equal(RECENT_MAX, 1024);
    assert_false(recent_add(&recent, 1, 1));
    for (uint64_t i = 2; i <= RECENT_MAX; i++)
        assert_false(recent_add(&recent, i, i));
    assert_true(recent_add(&recent, 1, 1)); /* 1023 came between */
    assert_false(recent_add(&recent, 5000, 1)); /* pushes out 2, as 1 did itself */
    assert_false(recent_add(&recent, 2, 2));
    assert_true(recent_add(&recent, 1, 1));
}

/* Both must be equal: another program starts at the same sequence. */
static void
test_sequence_and_time_count_together(void **state)
{
    (void)state;
    static struct recent recent;
    recent = (struct recent){0};
    assert_false(recent_add(&recent, 1, 100));
    assert_false(recent_add(&recent, 1, 101));
    assert_false(recent_add(&recent, 2, 100));
    assert_false(recent_add(&recent, 100, 1));
    assert_true(recent_add(&recent, 1, 100));
    assert_false(recent_add(&recent, 0, 0));
    assert_true(recent_add(&recent, 0, 0));
    /* One sequence, times at random: many of them share a chain of the table. */
    uint64_t seed = 3;
    for (int i = 0; i < RECENT_MAX; i++)
        assert_false(recent_add(&recent, 7, random_below(&seed, UINT64_MAX)));
}

static void
test_against_a_list(void **state)
{
    (void)state;
    enum {
        ADDED = 20000,
    };
    static struct recent recent;
    static uint64_t list[ADDED][2];
    static const uint64_t domains[] = {1, 30, 100}; /* pairs: a few, 900, 10000 */
    uint64_t seed = 5;
    for (size_t d = 0; d < LENGTH(domains); d++) {
        recent = (struct recent){0};
        size_t seen = 0;
        for (size_t n = 0; n < ADDED; n++) {
            uint64_t sequence = random_below(&seed, domains[d]);
            uint64_t sent = random_below(&seed, domains[d]) * UINT64_C(1000000007);
            bool expected = false;
            for (size_t i = n > RECENT_MAX ? n - RECENT_MAX : 0; i < n && !expected; i++)
                expected = list[i][0] == sequence && list[i][1] == sent;
            list[n][0] = sequence;
            list[n][1] = sent;
            assert_int_equal(recent_add(&recent, sequence, sent), expected);
            seen += expected;
        }
        assert_in_range(seen, ADDED / 20, ADDED - 1); /* both answers were asked for */
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_window_is_1024_wide),
        cmocka_unit_test(test_sequence_and_time_count_together),
        cmocka_unit_test(test_against_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A subscriber's prefixes: a set of byte strings, and what begins with one of them. */
#include "unit.h"

#include "prefixes.h"

static bool
match(const struct prefixes *prefixes, const char *text)
{
    size_t len = strlen(text);
    char *copy = exact_copy(text, len); /* as received: no NUL follows */
    bool result = prefixes_match(prefixes, copy, len);
    free(copy);
    return result;
}

static void
test_what_matches(void **state)
{
    (void)state;
    struct prefixes prefixes = {0};
    assert_false(match(&prefixes, "rain"));
    assert_false(match(&prefixes, "")); /* no prefix is none */
    assert_int_equal(prefixes_add(&prefixes, "rain", 4), 0);
    assert_true(match(&prefixes, "rain"));
    assert_true(match(&prefixes, "rainbow"));
    assert_false(match(&prefixes, "rai"));
    assert_false(match(&prefixes, "rais"));
    for (size_t len = 0; len < 4; len++) /* though the bytes that follow would do */
        assert_false(prefixes_match(&prefixes, "rain", len));
    assert_false(match(&prefixes, "Rain"));
    assert_false(match(&prefixes, "a rain"));
    assert_int_equal(prefixes_add(&prefixes, "sun", 3), 0);
    assert_true(match(&prefixes, "rainbow"));
    assert_true(match(&prefixes, "sunny"));
    assert_false(match(&prefixes, "su"));
    assert_int_equal(prefixes_add(&prefixes, "", 0), 0);
    assert_true(match(&prefixes, "su"));
    assert_true(match(&prefixes, ""));
    prefixes_clear(&prefixes);
    assert_int_equal(prefixes.count, 0);
    assert_false(match(&prefixes, "rain"));
}

static void
test_a_set(void **state)
{
    (void)state;
    struct prefixes prefixes = {0};
    assert_int_equal(prefixes_add(&prefixes, "ab", 2), 0);
    assert_int_equal(prefixes_add(&prefixes, "ab", 2), 0); /* twice is once */
    assert_int_equal(prefixes_add(&prefixes, "a", 1), 0);
    assert_int_equal(prefixes_add(&prefixes, "ab\0", 3), 0);
    assert_int_equal(prefixes.count, 3);
    assert_false(prefixes_remove(&prefixes, "b", 1));
    assert_false(prefixes_remove(&prefixes, "abc", 3));
    assert_false(prefixes_remove(&prefixes, "", 0));
    assert_true(prefixes_remove(&prefixes, "ab", 2));
    assert_false(prefixes_remove(&prefixes, "ab", 2));
    assert_true(match(&prefixes, "abc")); /* "a" is still there */
    assert_true(prefixes_remove(&prefixes, "a", 1));
    assert_false(match(&prefixes, "abc"));
    assert_true(prefixes_match(&prefixes, "ab\0d", 4));
    assert_int_equal(prefixes.count, 1);
    prefixes_clear(&prefixes);
}

static void
test_limits(void **state)
{
    (void)state;
    struct prefixes prefixes = {0};
    char longest[PREFIX_MAX + 1] = {0};
    assert_int_equal(prefixes_add(&prefixes, longest, PREFIX_MAX), 0);
    assert_fails(prefixes_add(&prefixes, longest, PREFIX_MAX + 1), EMSGSIZE);
    for (unsigned i = 1; i < PREFIXES_MAX; i++)
        assert_int_equal(prefixes_add(&prefixes, &i, sizeof(i)), 0);
    unsigned one_more = PREFIXES_MAX;
    assert_fails(prefixes_add(&prefixes, &one_more, sizeof(one_more)), ENOBUFS);
    assert_int_equal(prefixes_add(&prefixes, longest, PREFIX_MAX), 0); /* it is there */
    assert_int_equal(prefixes.count, PREFIXES_MAX);
    assert_true(prefixes_remove(&prefixes, longest, PREFIX_MAX));
    assert_int_equal(prefixes_add(&prefixes, &one_more, sizeof(one_more)), 0);
    prefixes_clear(&prefixes);
}

/* Any order of adding and removing, held against a table of all strings of a, b up to 3. */
static void
test_against_a_table(void **state)
{
    (void)state;
    static const char *const names[] = {"", "a", "b", "aa", "ab", "ba", "bb", "aaa", "aab", "aba",
        "abb", "baa", "bab", "bba", "bbb"};
    bool there[LENGTH(names)] = {0};
    struct prefixes prefixes = {0};
    uint64_t seed = 6;
    for (int step = 0; step < 5000; step++) {
        size_t i = random_below(&seed, LENGTH(names));
        if (random_below(&seed, 2) == 0) {
            assert_int_equal(prefixes_add(&prefixes, names[i], strlen(names[i])), 0);
            there[i] = true;
        } else {
            bool removed = prefixes_remove(&prefixes, names[i], strlen(names[i]));
            assert_int_equal(removed, there[i]);
            there[i] = false;
        }
        for (size_t m = 0; m < LENGTH(names); m++) {
            bool expected = false;
            for (size_t p = 0; p < LENGTH(names); p++)
                expected |= there[p] && strncmp(names[m], names[p], strlen(names[p])) == 0;
            assert_int_equal(match(&prefixes, names[m]), expected);
        }
    }
    prefixes_clear(&prefixes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_matches),
        cmocka_unit_test(test_a_set),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_against_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

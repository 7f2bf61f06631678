/* A subscriber's prefixes: a set of byte strings, and what begins with one of them. */
#include "unit.h"

#include "prefixes.h"

#include <time.h>

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

/* The longest list of strings that the model holds, and bytes of a string. */
enum {
    MODEL_MAX = 300,
    MODEL_BYTES = 40,
};

static struct {
    unsigned char bytes[MODEL_BYTES];
    size_t len;
} model[MODEL_MAX];
static size_t model_count;

static size_t
model_find(const unsigned char *data, size_t len)
{
    size_t i = 0;
    while (i < model_count && (model[i].len != len || memcmp(model[i].bytes, data, len) != 0))
        i++;
    return i;
}

/* A string of bits that differ late, or of the model with a bit turned. */
static size_t
random_string(uint64_t *seed, unsigned char *ret)
{
    static const unsigned char bytes[] = {0x00, 0x01, 0x80, 0xff, 'a', 'b'};
    size_t len = random_below(seed, 4);
    if (model_count > 0 && random_below(seed, 3) > 0) {
        size_t i = random_below(seed, model_count);
        memcpy(ret, model[i].bytes, model[i].len);
        len = random_below(seed, model[i].len + 1);
        if (random_below(seed, 2) == 0 && len > 0)
            ret[random_below(seed, len)] ^= (unsigned char)(1u << random_below(seed, 8));
    }
    size_t more = random_below(seed, 5);
    for (size_t i = 0; i < more && len < MODEL_BYTES; i++)
        ret[len++] = bytes[random_below(seed, LENGTH(bytes))];
    return len;
}

/* The prefixes of the list of nodes, each once: a new connection is told these. */
static void
assert_listed(const struct prefixes *prefixes)
{
    const struct prefix *node;
    size_t count = 0, forks = 0;
    LIST_FOREACH(node, &prefixes->nodes, all)
    {
        forks += node->fork;
        if (node->fork)
            continue;
        assert_true(model_find(node->bytes, node->bits / 8) < model_count);
        count++;
    }
    assert_int_equal(count, model_count);
    assert_int_equal(count, prefixes->count);
    assert_true(forks <= count); /* none is left when its prefixes have gone */
}

/* Any order of adding, removing and matching, held against a plain list. */
static void
test_against_a_list(void **state)
{
    (void)state;
    struct prefixes prefixes = {0};
    uint64_t seed = 7;
    for (int step = 0; step < 100000; step++) {
        unsigned char text[MODEL_BYTES + 8];
        size_t len = random_string(&seed, text);
        size_t at = model_find(text, len);
        unsigned char *copy = exact_copy(text, len); /* nothing is read behind it */
        bool growing = step / 2000 % 2 == 0;
        if (random_below(&seed, 3) < (growing ? 2 : 1)) {
            if (at == model_count && model_count < MODEL_MAX) {
                memcpy(model[model_count].bytes, text, len);
                model[model_count++].len = len;
            }
            if (at < MODEL_MAX)
                assert_int_equal(prefixes_add(&prefixes, copy, len), 0);
        } else {
            assert_int_equal(prefixes_remove(&prefixes, copy, len), at < model_count);
            if (at < model_count)
                model[at] = model[--model_count];
        }
        free(copy);
        len = random_string(&seed, text);
        copy = exact_copy(text, len);
        bool expected = false, all = false;
        for (size_t i = 0; i < model_count; i++) {
            expected |= model[i].len <= len && memcmp(model[i].bytes, text, model[i].len) == 0;
            all |= model[i].len == 0;
        }
        assert_int_equal(prefixes_match(&prefixes, copy, len), expected);
        assert_int_equal(prefixes.all, all);
        if (step % 100 == 0)
            assert_listed(&prefixes);
        free(copy);
    }
    while (model_count > 0) {
        model_count--;
        assert_true(prefixes_remove(&prefixes, model[model_count].bytes, model[model_count].len));
    }
    assert_listed(&prefixes);
    assert_null(prefixes.root);
    prefixes_clear(&prefixes);
}

/* Of the processor, which other programs use as well. */
static int64_t
own_time_ns(void)
{
    struct timespec time;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* As many prefixes as can be take no longer than a few: nothing looks through them all. */
static void
test_many_take_no_longer(void **state)
{
    (void)state;
    int64_t took[2];
    for (int many = 0; many < 2; many++) {
        struct prefixes prefixes = {0};
        unsigned count = many ? PREFIXES_MAX - 1 : 8;
        for (unsigned i = 0; i < count; i++)
            assert_int_equal(prefixes_add(&prefixes, &i, sizeof(i)), 0);
        const unsigned absent[] = {PREFIXES_MAX + 7, 0};
        took[many] = INT64_MAX;
        for (int again = 0; again < 5; again++) { /* the fastest: the machine may disturb some */
            int64_t start = own_time_ns();
            for (int i = 0; i < 20000; i++) {
                assert_false(prefixes_match(&prefixes, absent, sizeof(absent)));
                (void)prefixes_add(&prefixes, absent, sizeof(absent));
                (void)prefixes_remove(&prefixes, absent, sizeof(absent));
            }
            int64_t time = own_time_ns() - start;
            took[many] = time < took[many] ? time : took[many];
        }
        prefixes_clear(&prefixes);
    }
    assert_true(took[1] < 5 * took[0]); /* a list: 100 times */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_matches),
        cmocka_unit_test(test_a_set),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_against_a_table),
        cmocka_unit_test(test_against_a_list),
        cmocka_unit_test(test_many_take_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

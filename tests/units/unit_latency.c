/* The latency recorder: exact where it says so, within 1 % elsewhere. */
#include "unit.h"

#include "latency.h"

static struct latency latency; /* large */

static int
reset(void **state)
{
    (void)state;
    latency = (struct latency){0};
    return 0;
}

static void
test_nothing_recorded(void **state)
{
    (void)state;
    assert_int_equal(latency_quantile(&latency, 1, 2), 0);
    assert_int_equal(latency_mean(&latency), 0);
}

static void
test_small_values_are_exact(void **state)
{
    (void)state;
    for (int64_t value = 0; value < 2 * LATENCY_STEPS; value++) {
        latency = (struct latency){0};
        latency_add(&latency, 0);
        latency_add(&latency, value);
        latency_add(&latency, INT64_MAX); /* so that max does not help */
        assert_int_equal(latency_quantile(&latency, 2, 3), value);
    }
}

/* Every power of two, the values around it, and those in its middle. */
static void
test_within_one_percent_everywhere(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (unsigned power = 1; power < 63; power++) {
        uint64_t base = UINT64_C(1) << power;
        for (unsigned i = 0; i < 200; i++) {
            uint64_t value = i < 3 ? base - 1 + i : base + random_below(&seed, base);
            latency = (struct latency){0};
            latency_add(&latency, 0);
            latency_add(&latency, (int64_t)value);
            latency_add(&latency, INT64_MAX);
            uint64_t found = latency_quantile(&latency, 2, 3);
            uint64_t error = found > value ? found - value : value - found;
            assert_true(error <= value / 256 + 1); /* the middle of a bucket of 1/128 */
            assert_true(error == 0 || value >= 2 * LATENCY_STEPS);
        }
    }
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void
test_against_a_sorted_array(void **state)
{
    (void)state;
    enum {
        MAX = 5000,
    };
    static uint64_t values[MAX];
    static const uint64_t quantiles[][2] = {
        {0, 1}, {1, 1000}, {1, 2}, {9, 10}, {99, 100}, {999, 1000}, {9999, 10000}, {1, 1}};
    static const size_t counts[] = {1, 2, 3, 10, 999, 1000, 1001, MAX};
    uint64_t seed = 4;
    for (size_t c = 0; c < LENGTH(counts); c++) {
        size_t n = counts[c];
        uint64_t sum = 0;
        latency = (struct latency){0};
        for (size_t i = 0; i < n; i++) {
            values[i] = random_below(&seed, UINT64_C(1) << (3 + random_below(&seed, 40)));
            sum += values[i];
            latency_add(&latency, (int64_t)values[i]);
        }
        qsort(values, n, sizeof(*values), compare);
        assert_int_equal(latency.count, n);
        assert_int_equal(latency.min, values[0]);
        assert_int_equal(latency.max, values[n - 1]);
        assert_int_equal(latency_mean(&latency), (sum + n / 2) / n);
        for (size_t q = 0; q < LENGTH(quantiles); q++) {
            uint64_t top = quantiles[q][0], bottom = quantiles[q][1];
            size_t rank = (n * top + bottom - 1) / bottom;
            uint64_t exact = values[rank > 0 ? rank - 1 : 0];
            uint64_t found = latency_quantile(&latency, top, bottom);
            uint64_t error = found > exact ? found - exact : exact - found;
            assert_true(error <= exact / 100 + (exact < 100 && exact > 2 * LATENCY_STEPS));
            assert_in_range(found, latency.min, latency.max);
        }
    }
}

static void
test_one_value_is_all_quantiles(void **state)
{
    (void)state;
    latency_add(&latency, 123456789);
    assert_int_equal(latency_quantile(&latency, 1, 2), 123456789);
    assert_int_equal(latency_quantile(&latency, 999, 1000), 123456789);
    assert_int_equal(latency_mean(&latency), 123456789);
}

static void
test_a_time_below_zero_is_zero(void **state)
{
    (void)state;
    latency_add(&latency, -5);
    latency_add(&latency, INT64_MIN);
    latency_add(&latency, 4);
    assert_int_equal(latency.min, 0);
    assert_int_equal(latency.max, 4);
    assert_int_equal(latency.count, 3);
    assert_int_equal(latency_mean(&latency), 1); /* 4/3, rounded */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_recorded, reset),
        cmocka_unit_test_setup(test_small_values_are_exact, reset),
        cmocka_unit_test_setup(test_within_one_percent_everywhere, reset),
        cmocka_unit_test_setup(test_against_a_sorted_array, reset),
        cmocka_unit_test_setup(test_one_value_is_all_quantiles, reset),
        cmocka_unit_test_setup(test_a_time_below_zero_is_zero, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Time: rounding, the far future, and a schedule that does not drift. */
#include "unit.h"

#include "clock.h"

#include <limits.h>
#include <signal.h>
#include <sys/time.h>

static void
test_deadlines(void **state)
{
    (void)state;
    assert_true(clock_deadline(-1) == CLOCK_NEVER);
    int64_t before = clock_now();
    int64_t deadline = clock_deadline(1500);
    int64_t after = clock_now();
    assert_true(deadline >= before + 1500 * (int64_t)CLOCK_MS);
    assert_true(deadline <= after + 1500 * (int64_t)CLOCK_MS);
    assert_true(clock_deadline(INT_MAX) > after + INT_MAX * (int64_t)CLOCK_MS - CLOCK_S);
}

static void
test_time_left(void **state)
{
    (void)state;
    assert_int_equal(clock_left_ms(CLOCK_NEVER), -1);
    assert_int_equal(clock_left_ms(0), 0);
    assert_int_equal(clock_left_ms(clock_now() - 1), 0);
    assert_in_range(clock_left_ms(clock_now() + 10 * (int64_t)CLOCK_S), 9000, 10000);
    /* Rounded up: a wait of the time left does not end before the deadline. */
    assert_in_range(clock_left_ms(clock_now() + 999 * CLOCK_MS + 900 * CLOCK_US), 900, 1000);
    int64_t soon = clock_now() + 200 * CLOCK_US;
    int left = clock_left_ms(soon);
    if (clock_now() < soon)
        assert_int_equal(left, 1);
    assert_int_equal(clock_left_ms(CLOCK_NEVER - 1), INT_MAX);
}

static void
test_due_is_exact(void **state)
{
    (void)state;
    static const int64_t rates[] = {1, 2, 3, 7, 1000, 999983, 1000000, 1000000000};
    for (size_t i = 0; i < LENGTH(rates); i++) {
        int64_t rate = rates[i];
        assert_true(clock_due(17, 0, rate) == 17);
        /* After whole seconds, nothing is left over however many there were. */
        for (int64_t seconds = 1; seconds < INT64_C(1000000000); seconds *= 10) {
            uint64_t n = (uint64_t)seconds * (uint64_t)rate;
            assert_true(clock_due(17, n, rate) == 17 + seconds * CLOCK_S);
            assert_true(clock_due(17, n + 1, rate) - clock_due(17, n, rate) == CLOCK_S / rate);
        }
    }
}

/* Thirty years at a message a nanosecond: the product n * 10^9 would overflow. */
static void
test_due_does_not_overflow(void **state)
{
    (void)state;
    uint64_t n = UINT64_C(1000000000000000000);
    assert_true(clock_due(0, n, 1000000000) == INT64_C(1000000000000000000));
    assert_true(clock_due(0, n - 1, 1000000000) == INT64_C(999999999999999999));
    assert_true(clock_due(5, 3, INT64_C(9000000000)) == 5);
    assert_true(clock_due(5, 27, INT64_C(9000000000)) == 8);
}

static void
on_alarm(int number)
{
    (void)number;
}

static void
test_sleep(void **state)
{
    (void)state;
    int64_t until = clock_now() + 5 * CLOCK_MS;
    assert_int_equal(clock_sleep(until), 0);
    assert_true(clock_now() >= until);
    assert_int_equal(clock_sleep(until), 0); /* it has passed */

    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval in_5_ms = {.it_value.tv_usec = 5000, .it_interval.tv_usec = 5000}, off = {0};
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &in_5_ms, NULL), 0);
    assert_fails(clock_sleep(clock_now() + 10 * (int64_t)CLOCK_S), EINTR);
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_time_left),
        cmocka_unit_test(test_due_is_exact),
        cmocka_unit_test(test_due_does_not_overflow),
        cmocka_unit_test(test_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

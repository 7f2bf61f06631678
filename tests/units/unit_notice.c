/* What a panel notices: each kind once, and only to whoever listens. */
#include "unit.h"

#include "notice.h"

static char heard[64];
static int times;

static void
hear(void *owner, const char *text)
{
    assert_ptr_equal(owner, heard);
    times++;
    (void)strncpy(heard, text, sizeof(heard) - 1);
}

static void
test_nobody_listens(void **state)
{
    (void)state;
    static const char format[] = "kept for later: %d";
    notice(format, 1);
    notice_to(hear, heard);
    notice(format, 2); /* what nobody heard has not been told */
    assert_string_equal(heard, "kept for later: 2");
    assert_int_equal(times, 1);
    notice_to(NULL, NULL);
    notice("another");
    assert_int_equal(times, 1);
}

static void
test_each_kind_once(void **state)
{
    (void)state;
    static const char one[] = "%d parts", two[] = "%d bytes";
    times = 0;
    notice_to(hear, heard);
    for (int i = 1; i < 4; i++) {
        notice(one, i);
        notice(two, i);
    }
    assert_int_equal(times, 2);
    assert_string_equal(heard, "1 bytes");
}

static void
test_a_long_text_is_cut_off(void **state)
{
    (void)state;
    static char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    notice("%s", text);
    assert_int_equal(strlen(heard), sizeof(heard) - 1);
}

static void
test_kinds_without_end(void **state)
{
    (void)state;
    static const char formats[2 * NOTICES_MAX][2] = {"a"};
    times = 0;
    for (int i = 0; i < 2 * NOTICES_MAX; i++)
        notice(formats[i], 0);
    assert_int_equal(times, NOTICES_MAX - 4); /* those above are told already */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_each_kind_once),
        cmocka_unit_test(test_a_long_text_is_cut_off),
        cmocka_unit_test(test_kinds_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

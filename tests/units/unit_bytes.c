/* Big-endian integers: which byte stands where, at places that are not aligned. */
#include "unit.h"

#include "bytes.h"

static void
test_put(void **state)
{
    (void)state;
    unsigned char bytes[32];
    for (size_t at = 1; at < 9; at++) {
        memset(bytes, 0x55, sizeof(bytes));
        unsigned char *p = put_u16(bytes + at, 0x0180);
        p = put_u32(p, 0x81020304);
        p = put_u64(p, UINT64_C(0x8202030405060708));
        assert_ptr_equal(p, bytes + at + 14);
        assert_memory_equal(bytes + at, "\x01\x80\x81\2\3\4\x82\2\3\4\5\6\7\x08\x55", 15);
        assert_int_equal(bytes[at - 1], 0x55);
    }
}

static void
test_get(void **state)
{
    (void)state;
    for (size_t at = 0; at < 8; at++) {
        unsigned char bytes[16] = {0};
        memcpy(bytes + at, "\x81\2\3\4\5\6\7\x08", 8);
        assert_true(get_u32(bytes + at) == 0x81020304);
        assert_true(get_u64(bytes + at) == UINT64_C(0x8102030405060708));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

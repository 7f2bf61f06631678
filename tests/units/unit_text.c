/*
 * Bytes made safe for a terminal. That all output is well-formed UTF-8 is judged by iconv(3), which
 * knows nothing of our table.
 */
#include "unit.h"

#include "text.h"
#include "utf8.h"

#include <stdio.h>

static char *output; /* of the last call */
static size_t output_len;

static void
show(const char *text, size_t len, size_t max)
{
    free(output);
    FILE *file = open_memstream(&output, &output_len);
    assert_non_null(file);
    char *copy = exact_copy(text, len);
    text_show(file, copy, len, max);
    free(copy);
    assert_int_equal(fclose(file), 0);
}

struct example {
    const char *in, *out;
};

static void
test_random_bytes(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        char bytes[40];
        size_t len = nearly_utf8(bytes, sizeof(bytes), &seed);
        show(bytes, len, sizeof(bytes));
        assert_utf8(output, output_len);
        for (size_t k = 0; k < output_len; k++) {
            assert_true((unsigned char)output[k] >= 0x20 && output[k] != 0x7f);
            assert_false(output[k] == '\xc2' && (unsigned char)output[k + 1] < 0xa0);
        }
    }
}

static void
test_show(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"plain \"text\"\\", "plain \"text\"\\"},
        {"\x1b[31mred\n", ".[31mred."},
        {"\x7f\x80\xff", "..."},
        {"\xc2\x9b"
         "31m",
            ".31m"}, /* C1: a terminal obeys it, too */
        {"\xc2\xa0", "\xc2\xa0"},
        {"a\xe2\x80\xae"
         "b\xe2\x81\xa6",
            "a.b."}, /* to the left from here on */
        {"\xe2\x82\xac", "\xe2\x82\xac"},
    };
    for (size_t i = 0; i < LENGTH(examples); i++) {
        show(examples[i].in, strlen(examples[i].in), 1000);
        assert_string_equal(output, examples[i].out);
    }
    show("0123456789", 10, 4);
    assert_string_equal(output, "0123");
    show("0\xe2\x82\xac", 4, 3); /* half of a character is none */
    assert_string_equal(output, "0..");
}

static int
free_output(void **state)
{
    (void)state;
    free(output);
    output = NULL;
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_random_bytes, free_output),
        cmocka_unit_test_teardown(test_show, free_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * JSON strings of any bytes. That all output is well-formed UTF-8 is judged by iconv(3), which
 * knows nothing of our table.
 */
#include "unit.h"

#include "json.h"
#include "utf8.h"

#include <stdio.h>

#define BAD "\\ufffd"

static char *output; /* of the last call */
static size_t output_len;

static void
json(const char *text, size_t len)
{
    free(output);
    FILE *file = open_memstream(&output, &output_len);
    assert_non_null(file);
    char *copy = exact_copy(text, len);
    json_string(file, copy, len);
    free(copy);
    assert_int_equal(fclose(file), 0);
}

struct example {
    const char *in, *out;
};

static void
test_json_escapes(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\n\t\x01\x1f", "\"\\u000a\\u0009\\u0001\\u001f\""},
        {"\x7f", "\"\\u007f\""},
        {"\xc2\x80\xc2\x9b\xc2\x9f", "\"\\u0080\\u009b\\u009f\""}, /* C1 */
        {"\xc2\xa0", "\"\xc2\xa0\""},
        {"\xd8\x9c\xd8\x9d", "\"\\u061c\xd8\x9d\""}, /* the direction of the text */
        {"\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x90",
            "\"\xe2\x80\x8d\\u200e\\u200f\xe2\x80\x90\""},
        {"\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xae\xe2\x80\xaf",
            "\"\xe2\x80\xa7\\u2028\\u202e\xe2\x80\xaf\""},
        {"\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
            "\"\xe2\x81\xa5\\u2066\\u2069\xe2\x81\xaa\""},
        {"\xf0\x92\x80\xae", "\"\xf0\x92\x80\xae\""}, /* U+1202E */
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < LENGTH(examples); i++) {
        json(examples[i].in, strlen(examples[i].in));
        assert_string_equal(output, examples[i].out);
    }
    json("a\0b", 3);
    assert_string_equal(output, "\"a\\u0000b\"");
}

static void
test_json_invalid_utf8(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"\x80", BAD}, /* a continuation of nothing */
        {"\xff", BAD},
        {"\xc3", BAD}, /* cut off by the end */
        {"\xe2\x82", BAD BAD},
        {"\xf0\x9f\x98", BAD BAD BAD},
        {"\xc3(", BAD "("}, /* cut off by the next character */
        {"\xe2\x82(", BAD BAD "("},
        {"\xc0\x80", BAD BAD}, /* longer than need be */
        {"\xc1\xbf", BAD BAD},
        {"\xe0\x9f\xbf", BAD BAD BAD},
        {"\xf0\x8f\xbf\xbf", BAD BAD BAD BAD},
        {"\xed\xa0\x80", BAD BAD BAD}, /* half of a surrogate pair */
        {"\xed\xbf\xbf", BAD BAD BAD},
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", BAD BAD BAD BAD},
        {"\xe0\xa0\x80", "\xe0\xa0\x80"}, /* the neighbours are right */
        {"\xed\x9f\xbf", "\xed\x9f\xbf"},
        {"\xee\x80\x80", "\xee\x80\x80"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    };
    for (size_t i = 0; i < LENGTH(examples); i++) {
        json(examples[i].in, strlen(examples[i].in));
        assert_int_equal(output_len, strlen(examples[i].out) + 2);
        assert_memory_equal(output + 1, examples[i].out, output_len - 2);
    }
}

static void
test_random_bytes(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        char bytes[40];
        size_t len = nearly_utf8(bytes, sizeof(bytes), &seed);
        json(bytes, len);
        assert_utf8(output, output_len);
        assert_true(output_len >= 2);
        for (size_t k = 1; k < output_len - 1; k++) {
            assert_true((unsigned char)output[k] >= 0x20 && output[k] != 0x7f);
            assert_false(output[k] == '\xc2' && (unsigned char)output[k + 1] < 0xa0);
            assert_true(output[k] != '"');
            if (output[k] == '\\')
                k++; /* what it escapes */
        }
    }
}

static void
test_every_byte_is_kept(void **state)
{
    (void)state;
    unsigned char bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    FILE *file = open_memstream(&output, &output_len);
    assert_non_null(file);
    json_bytes(file, bytes, sizeof(bytes));
    assert_int_equal(fclose(file), 0);
    const char *p = output;
    assert_int_equal(*p++, '"');
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i >= ' ' && i <= '~' && i != '"' && i != '\\') {
            assert_int_equal(*p++, (int)i);
        } else {
            char escape[8];
            (void)snprintf(escape, sizeof(escape), "\\u%04zx", i);
            assert_memory_equal(p, escape, 6);
            p += 6;
        }
    }
    assert_string_equal(p, "\"");
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
        cmocka_unit_test_teardown(test_json_escapes, free_output),
        cmocka_unit_test_teardown(test_json_invalid_utf8, free_output),
        cmocka_unit_test_teardown(test_random_bytes, free_output),
        cmocka_unit_test_teardown(test_every_byte_is_kept, free_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

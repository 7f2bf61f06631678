/* Bytes that are nearly UTF-8, and iconv(3) as the judge of what is. */
#ifndef UTF8_H
#define UTF8_H

#include "unit.h"

#include <iconv.h>

static inline void
assert_utf8(const char *text, size_t len)
{
    iconv_t converter = iconv_open("UTF-32LE", "UTF-8");
    assert_true(converter != (iconv_t)-1);
    static char wide[65536];
    char *in = (char *)(uintptr_t)text, *out = wide;
    size_t left = sizeof(wide);
    assert_int_equal(iconv(converter, &in, &len, &out, &left), 0);
    assert_int_equal(iconv_close(converter), 0);
}

/* Up to max bytes that make sequences nearly right, and all others; returns how many. */
static inline size_t
nearly_utf8(char *ret, size_t max, uint64_t *seed)
{
    static const unsigned char likely[] = {0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xdf,
        0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, '"', '\\', '\n', 0};
    size_t len = random_below(seed, max + 1);
    for (size_t i = 0; i < len; i++)
        ret[i] = (char)(random_below(seed, 4) ? likely[random_below(seed, sizeof(likely))]
                                              : random_below(seed, 256));
    return len;
}

#endif

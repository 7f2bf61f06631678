/*
 * JSON strings: see json.h. A JSON reader stops at invalid UTF-8, and a
 * terminal obeys control characters; so both are found here, by the table of
 * well-formed sequences (Unicode 15, 3-7).
 */
#include "json.h"

size_t
json_character(const void *text, size_t len)
{
    static const struct {
        unsigned char first, last; /* of the lead byte */
        unsigned char low, high; /* of the byte after it */
        unsigned char len;
    } table[] = {
        {0x00, 0x7f, 0x00, 0xff, 1},
        {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const unsigned char *p = text;
    for (size_t i = 0; len > 0 && i < sizeof(table) / sizeof(*table); i++) {
        if (p[0] < table[i].first || p[0] > table[i].last)
            continue;
        if (table[i].len > len)
            return 0;
        if (table[i].len > 1 && (p[1] < table[i].low || p[1] > table[i].high))
            return 0;
        for (size_t k = 2; k < table[i].len; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        }
        return table[i].len;
    }
    return 0;
}

/* The code point of a character of UTF-8; only those up to U+FFFF are told
 * apart. */
static unsigned
code_point(const unsigned char *p, size_t len)
{
    if (len == 2)
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    if (len == 3)
        return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    return len == 1 ? p[0] : 0x10000;
}

bool
json_is_control(const void *text, size_t len)
{
    static const struct {
        unsigned first, last;
    } table[] = {
        {0x0000, 0x001f}, /* C0 */
        {0x007f, 0x009f}, /* DEL, C1 */
        {0x061c, 0x061c}, /* Arabic letter mark */
        {0x200e, 0x200f}, /* left-to-right mark and its opposite */
        {0x2028, 0x202e}, /* ends of line and paragraph; embeddings */
        {0x2066, 0x2069}, /* isolates */
    };
    unsigned code = code_point(text, len);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (code >= table[i].first && code <= table[i].last)
            return true;
    }
    return false;
}

void
json_string(FILE *file, const void *text, size_t len)
{
    const unsigned char *p = text;
    (void)putc('"', file);
    while (len > 0) {
        size_t n = json_character(p, len);
        if (n == 0)
            (void)fputs("\\ufffd", file);
        else if (p[0] == '"' || p[0] == '\\')
            (void)fprintf(file, "\\%c", p[0]);
        else if (json_is_control(p, n))
            (void)fprintf(file, "\\u%04x", code_point(p, n));
        else
            (void)fwrite(p, 1, n, file);
        n += n == 0;
        p += n;
        len -= n;
    }
    (void)putc('"', file);
}

void
json_bytes(FILE *file, const void *data, size_t len)
{
    const unsigned char *p = data;
    (void)putc('"', file);
    for (; len > 0; len--, p++) {
        if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
            (void)fprintf(file, "\\u%04x", *p);
        else
            (void)putc(*p, file);
    }
    (void)putc('"', file);
}

/*
 * Printing bytes that a peer chose. A terminal obeys control characters, those
 * of C1 (U+0080..U+009F) included; a JSON reader stops at invalid UTF-8. So
 * both are decoded here by the table of well-formed sequences (Unicode 15,
 * 3-7).
 */
#include "text.h"

#include <stdint.h>

/* Bytes of the well-formed sequence at p, at most len; 0: there is none. */
static size_t
sequence_length(const unsigned char *p, size_t len)
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
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
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

void
text_json(FILE *file, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    (void)fputc('"', file);
    while (len > 0) {
        size_t n = sequence_length(p, len);
        if (n == 0)
            (void)fputs("\xef\xbf\xbd", file); /* U+FFFD */
        else if (p[0] == '"' || p[0] == '\\')
            (void)fprintf(file, "\\%c", p[0]);
        else if (p[0] < 0x20 || p[0] == 0x7f)
            (void)fprintf(file, "\\u%04x", p[0]);
        else
            (void)fwrite(p, 1, n, file);
        n += n == 0;
        p += n;
        len -= n;
    }
    (void)fputc('"', file);
}

void
text_show(FILE *file, const char *text, size_t len, size_t max)
{
    const unsigned char *p = (const unsigned char *)text;
    if (len > max)
        len = max;
    while (len > 0) {
        size_t n = sequence_length(p, len);
        if (n == 0 || p[0] < 0x20 || p[0] == 0x7f ||
            (p[0] == 0xc2 && p[1] < 0xa0))
            (void)fputc('.', file);
        else
            (void)fwrite(p, 1, n, file);
        n += n == 0;
        p += n;
        len -= n;
    }
}

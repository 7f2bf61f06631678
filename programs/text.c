/* Printing for people: see text.h. */
#include "text.h"

#include "json.h"

void
text_show(FILE *file, const char *text, size_t len, size_t max)
{
    const unsigned char *p = (const unsigned char *)text;
    if (len > max)
        len = max;
    while (len > 0) {
        size_t n = json_character(p, len);
        if (n == 0 || json_is_control(p, n))
            (void)fputc('.', file);
        else
            (void)fwrite(p, 1, n, file);
        n += n == 0;
        p += n;
        len -= n;
    }
}

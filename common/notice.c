/* What a panel notices: see notice.h. */
#include "notice.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    TEXT_MAX = 512, /* bytes; what is longer is cut off */
};

static void (*listener)(void *owner, const char *text);
static void *listener_owner;

void
notice(const char *format, ...)
{
    static const char *told[NOTICES_MAX];
    char text[TEXT_MAX];
    int i = 0;
    while (i < NOTICES_MAX && told[i] && told[i] != format)
        i++;
    if (!listener || i == NOTICES_MAX || told[i] == format)
        return;
    told[i] = format;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    listener(listener_owner, text);
}

void
notice_to(void (*hear)(void *owner, const char *text), void *owner)
{
    listener = hear;
    listener_owner = owner;
}

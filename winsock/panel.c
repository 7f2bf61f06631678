/* Who this panel is: step 5 again, on Windows sockets. */
#include "pattern.h"

#include <winsock2.h>

#include <stdio.h>
#include <string.h>

const char *
panel_name(void)
{
    return "winsock";
}

const char *
panel_version(void)
{
    return "Windows sockets 2.2";
}

/* strerror() knows errno only; the errors of Winsock are the system's. */
const char *
panel_strerror(int errnum)
{
    static char text[256];
    if (errnum < WSABASEERR)
        return strerror(errnum);
    DWORD len = FormatMessageA(
        FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
        (DWORD)errnum, 0, text, sizeof(text), NULL);
    while (len > 0 && strchr(".\r\n ", text[len - 1]))
        text[--len] = '\0';
    if (len == 0 && errnum == WSAEAFNOSUPPORT)
        return "no such sockets on this system (Wine has no UNIX sockets)";
    if (len == 0)
        (void)snprintf(text, sizeof(text), "Winsock error %d", errnum);
    return text;
}

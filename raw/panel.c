/* The panel's name and version: its library is glibc, and the kernel. */
#include "pattern.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

const char *
panel_name(void)
{
    return "raw";
}

const char *
panel_version(void)
{
    static char version[256];
    struct utsname kernel;
    if (uname(&kernel) < 0)
        return "BSD sockets";
    (void)snprintf(version, sizeof(version),
        "BSD sockets, glibc %s, Linux %.64s", gnu_get_libc_version(),
        kernel.release);
    return version;
}

const char *
panel_strerror(int errnum)
{
    return strerror(errnum);
}

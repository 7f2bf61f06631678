/* Who this panel is: step 4 on the way from the lecture to raw. */
#include "pattern.h"

#include <string.h>

const char *
panel_name(void)
{
    return "raw-4";
}

const char *
panel_version(void)
{
    return "BSD sockets, step 4";
}

const char *
panel_strerror(int errnum)
{
    return strerror(errnum);
}

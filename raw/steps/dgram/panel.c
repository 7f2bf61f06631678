/* Who this panel is: the steps' sibling, over datagrams. */
#include "pattern.h"

#include <string.h>

const char *
panel_name(void)
{
    return "raw-dgram";
}

const char *
panel_version(void)
{
    return "BSD sockets, datagrams";
}

const char *
panel_strerror(int errnum)
{
    return strerror(errnum);
}

/* Who this panel is: its name, its library's version and error words. */
#include "pattern.h"

#include <string.h>

const char *
panel_name(void)
{
    return "mine";
}

const char *
panel_version(void)
{
    return "mine 0";
}

const char *
panel_strerror(int errnum)
{
    return strerror(errnum);
}

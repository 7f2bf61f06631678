/* The panel's name, its library's version and its texts for errors. */
#include "pattern.h"

#include <string.h>

const char *
panel_name(void)
{
    return "template";
}

const char *
panel_version(void)
{
    return "template 0";
}

const char *
panel_strerror(int errnum)
{
    return strerror(errnum);
}

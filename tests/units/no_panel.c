/* What the programs ask of a panel beside its calls, for units that are linked with none. */
#include "pattern.h"

#include <string.h>

const char *
panel_name(void)
{
    return "unit";
}

const char *
panel_version(void)
{
    return "Unit 1.0";
}

const char *
panel_strerror(int errnum)
{
    return strerror(errnum);
}

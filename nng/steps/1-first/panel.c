/* The panel's name, version and errors: one source, two engines. */
#include "pattern.h"

#include <nanomsg/nn.h>

#ifdef NNG_COMPAT_NN_H
#include <nng/nng.h>
#include <stdio.h>
#endif

const char *
panel_name(void)
{
#ifdef NNG_COMPAT_NN_H
    return "nng-1";
#else
    return "nanomsg-1";
#endif
}

const char *
panel_version(void)
{
#ifdef NNG_COMPAT_NN_H
    static char version[64];
    (void)snprintf(version, sizeof(version), "NNG %s", nng_version());
    return version;
#else
    return "nanomsg " NANOMSG_VERSION; /* it has no function for that */
#endif
}

const char *
panel_strerror(int errnum)
{
    return nn_strerror(errnum);
}

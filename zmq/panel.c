/* The panel's name, its library's version and its texts for errors. */
#include "pattern.h"

#include <stdio.h>
#include <zmq.h>

const char *
panel_name(void)
{
    return "zmq";
}

const char *
panel_version(void)
{
    static char version[64];
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    (void)snprintf(
        version, sizeof(version), "ZeroMQ %d.%d.%d", major, minor, patch);
    return version;
}

const char *
panel_strerror(int errnum)
{
    return zmq_strerror(errnum);
}

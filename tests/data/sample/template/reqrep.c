/* Nothing. */
#include "pattern.h"

int
req_open(struct req **ret, const char *url)
{
    (void)ret, (void)url;
    return -1;
}

int
req_send(struct req *req, const void *data, size_t len)
{
    (void)req, (void)data, (void)len;
    return -1;
}

void
req_close(struct req *req)
{
    (void)req;
}

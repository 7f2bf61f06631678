/*
 * Publish/subscribe in a panel that does nothing: every call fails with ENOSYS.
 * Start here, after reqrep.c.
 */
#include "pattern.h"

#include <errno.h>

struct pub {
    int unused;
};

struct sub {
    int unused;
};

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    (void)ret, (void)url, (void)tuning;
    errno = ENOSYS;
    return -1;
}

int
pub_send(struct pub *pub, const void *data, size_t len)
{
    (void)pub, (void)data, (void)len;
    errno = ENOSYS;
    return -1;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    (void)pub, (void)until_ns;
    errno = ENOSYS;
    return -1;
}

void
pub_close(struct pub *pub)
{
    (void)pub;
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    (void)ret, (void)url, (void)tuning;
    errno = ENOSYS;
    return -1;
}

int
sub_subscribe(struct sub *sub, const void *prefix, size_t len)
{
    (void)sub, (void)prefix, (void)len;
    errno = ENOSYS;
    return -1;
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    (void)sub, (void)prefix, (void)len;
    errno = ENOSYS;
    return -1;
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    (void)sub, (void)data;
    errno = ENOSYS;
    return -1;
}

void
sub_close(struct sub *sub)
{
    (void)sub;
}

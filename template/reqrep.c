/*
 * Request/reply in a panel that does nothing: every call fails with ENOSYS.
 * Start here. pattern.h says what each function must do, CONTRACT.md what the
 * tests check; zmq/reqrep.c is the shortest model.
 */
#include "pattern.h"

#include <errno.h>

struct req {
    int unused;
};

struct rep {
    int unused;
};

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    (void)ret, (void)url, (void)tuning;
    errno = ENOSYS;
    return -1;
}

int
req_send(struct req *req, const void *data, size_t len)
{
    (void)req, (void)data, (void)len;
    errno = ENOSYS;
    return -1;
}

ssize_t
req_recv(struct req *req, const void **data)
{
    (void)req, (void)data;
    errno = ENOSYS;
    return -1;
}

void
req_close(struct req *req)
{
    (void)req;
}

int
rep_open(struct rep **ret, const char *url, const struct tuning *tuning)
{
    (void)ret, (void)url, (void)tuning;
    errno = ENOSYS;
    return -1;
}

ssize_t
rep_recv(struct rep *rep, const void **data)
{
    (void)rep, (void)data;
    errno = ENOSYS;
    return -1;
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    (void)rep, (void)data, (void)len;
    errno = ENOSYS;
    return -1;
}

void
rep_close(struct rep *rep)
{
    (void)rep;
}

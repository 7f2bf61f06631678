/* Requests over plain sockets. */
#include "pattern.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct req {
    int fd;
};

/* The one option. */
static int
tune(int fd, int option)
{
    int on = 1;
    return setsockopt(fd, IPPROTO_TCP, option, &on, sizeof(on));
}

int
req_open(struct req **ret, const char *url)
{
    struct req *req = calloc(1, sizeof(*req));
    if (!req)
        return -1;
    (void)url;
    req->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (req->fd < 0)
        goto fail;
    if (tune(req->fd, TCP_NODELAY) < 0)
        goto fail;
    *ret = req;
    return 0;
fail:
    req_close(req);
    return -1;
}

int
req_send(struct req *req, const void *data, size_t len)
{
    ssize_t n;
    do {
        n = send(req->fd, data, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)len ? 0 : -1;
}

void
req_close(struct req *req)
{
    if (!req)
        return;
    if (req->fd >= 0)
        (void)close(req->fd);
    free(req);
}

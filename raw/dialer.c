/*
 * connect(2) for ever. A connection that is refused or breaks is made again
 * after 10 ms, then 20, and so on to 200 ms, each time with a jitter, so that
 * the clients of a server that comes back do not all come at once.
 */
#include "dialer.h"

#include "clock.h"

#include <errno.h>
#include <unistd.h>

enum {
    WAIT_MIN_MS = 10,
    WAIT_MAX_MS = 200,
};

static void dial(void *owner);

/* Half of the wait to all of it, evenly (xorshift64, Marsaglia 2003). */
static int64_t
jittered(struct dialer *dialer)
{
    uint64_t x = dialer->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    dialer->random = x;
    int64_t half = dialer->wait_ns / 2;
    return half + (int64_t)(x % (uint64_t)(half + 1));
}

static void
retry(struct dialer *dialer)
{
    int64_t at = clock_now() + jittered(dialer);
    dialer->state = DIALER_WAITING;
    loop_timer(dialer->loop, at, dial, dialer);
    dialer->wait_ns *= 2;
    if (dialer->wait_ns > WAIT_MAX_MS * (int64_t)CLOCK_MS)
        dialer->wait_ns = WAIT_MAX_MS * (int64_t)CLOCK_MS;
}

/* The connection stands, or has failed: SO_ERROR tells. */
static void
finish(struct dialer *dialer)
{
    int fd = dialer->conn.source.fd;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0 ||
        endpoint_is_self(fd)) {
        dialer_drop(dialer);
        return;
    }
    (void)endpoint_nodelay(&dialer->address, fd); /* without, only slower */
    dialer->state = DIALER_CONNECTED;
    if ((dialer->connected && dialer->connected(dialer->owner) < 0) ||
        conn_flush(&dialer->conn) < 0)
        dialer_drop(dialer);
}

static void
on_ready(void *owner, uint32_t events)
{
    struct dialer *dialer = owner;
    if (dialer->state == DIALER_CONNECTING)
        finish(dialer);
    else if (conn_ready(&dialer->conn, events) < 0)
        dialer_drop(dialer);
}

static void
dial(void *owner)
{
    struct dialer *dialer = owner;
    bool done;
    int fd = endpoint_connect(&dialer->address, &done);
    if (fd < 0 || conn_attach(&dialer->conn, fd, on_ready, dialer) < 0) {
        if (fd >= 0)
            (void)close(fd);
        retry(dialer);
        return;
    }
    if (done) {
        finish(dialer);
        return;
    }
    dialer->state = DIALER_CONNECTING;
    loop_change(dialer->loop, &dialer->conn.source, EPOLLOUT);
}

int
dialer_open(struct dialer *ret, struct loop *loop, const char *url,
    int (*connected)(void *), void *owner)
{
    *ret = (struct dialer){
        .loop = loop,
        .wait_ns = WAIT_MIN_MS * (int64_t)CLOCK_MS,
        .random = (uint64_t)clock_now() << 16 | (uint64_t)getpid() | 1,
        .connected = connected,
        .owner = owner,
    };
    conn_open(&ret->conn, loop, NULL);
    if (sockaddr_parse(&ret->address, url) < 0)
        return -1;
    dial(ret);
    return 0;
}

void
dialer_drop(struct dialer *dialer)
{
    conn_detach(&dialer->conn);
    retry(dialer);
}

void
dialer_prove(struct dialer *dialer)
{
    dialer->wait_ns = WAIT_MIN_MS * (int64_t)CLOCK_MS;
}

void
dialer_close(struct dialer *dialer)
{
    conn_close(&dialer->conn);
}

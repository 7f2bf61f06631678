/*
 * connect(2), repeated. After a connection is refused or breaks, the dialer
 * waits up to 10 ms before the next attempt, then up to 20, and so on up to
 * 200 ms. Each wait has a random part, so that the clients of a restarted
 * server do not all connect at the same moment.
 */
#include "dialer.h"

#include "clock.h"

#include <errno.h>
#include <unistd.h>

enum {
    BACKOFF_MIN_MS = 10,
    BACKOFF_MAX_MS = 200,
};

static void dial(void *owner);

/*
 * A time between half of the backoff and all of it, evenly distributed
 * (xorshift64, Marsaglia 2003).
 */
static int64_t
jittered_backoff(struct dialer *dialer)
{
    uint64_t x = dialer->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    dialer->random = x;
    int64_t half = dialer->backoff_ns / 2;
    return half + (int64_t)(x % (uint64_t)(half + 1));
}

static void
schedule_retry(struct dialer *dialer)
{
    int64_t at = clock_now() + jittered_backoff(dialer);
    dialer->state = DIALER_WAITING;
    loop_timer(dialer->loop, at, dial, dialer); /* R4, R5, P4 */
    dialer->backoff_ns *= 2;
    if (dialer->backoff_ns > BACKOFF_MAX_MS * (int64_t)CLOCK_MS)
        dialer->backoff_ns = BACKOFF_MAX_MS * (int64_t)CLOCK_MS;
}

/* The attempt has ended: SO_ERROR says whether it succeeded. */
static void
finish_connect(struct dialer *dialer)
{
    int fd = dialer->conn.source.fd;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0 ||
        endpoint_is_self(fd)) {
        dialer_reconnect(dialer);
        return;
    }
    (void)endpoint_nodelay(
        &dialer->address, fd); /* works without, only slower */
    dialer->state = DIALER_CONNECTED;
    if ((dialer->connected && dialer->connected(dialer->owner) < 0) ||
        conn_flush(&dialer->conn) < 0)
        dialer_reconnect(dialer);
}

static void
on_ready(void *owner, uint32_t events)
{
    struct dialer *dialer = owner;
    if (dialer->state == DIALER_CONNECTING)
        finish_connect(dialer);
    else if (conn_ready(&dialer->conn, events) < 0)
        dialer_reconnect(dialer);
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
        schedule_retry(dialer);
        return;
    }
    if (done) {
        finish_connect(dialer);
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
        .backoff_ns = BACKOFF_MIN_MS * (int64_t)CLOCK_MS,
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
dialer_reconnect(struct dialer *dialer)
{
    conn_detach(&dialer->conn);
    schedule_retry(dialer);
}

void
dialer_reset_backoff(struct dialer *dialer)
{
    dialer->backoff_ns = BACKOFF_MIN_MS * (int64_t)CLOCK_MS;
}

void
dialer_close(struct dialer *dialer)
{
    conn_close(&dialer->conn);
}

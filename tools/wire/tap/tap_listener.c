/*
 * Accepting. The socket to the server is made before accept(2), so that when
 * descriptors run out it is noticed while the client still waits in the backlog,
 * where it does no harm; accepting stops until a connection is closed, and is
 * tried again ten times a second for what others may have closed.
 */
#include "tap_listener.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "tap_address.h"
#include "tap_conn.h"

enum {
    ACCEPT_MAX = 64, /* in one round */
};

#define ACCEPT_RETRY_NS (100 * CLOCK_MS)

/* Returns true if the error means that the system has no more to give now. */
static bool
out_of_means(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void
tap_listener_pause(struct tap *tap, int error)
{
    struct tap_listener *listener = &tap->listener;
    if (listener->retry_ns == CLOCK_NEVER)
        tap_error(tap, "accepting stops for a while", error);
    listener->retry_ns = clock_now() + ACCEPT_RETRY_NS;
    if (tap_rewatch(tap, listener->fd, &listener->watch, 0) < 0)
        tap_error(tap, "epoll_ctl", errno);
}

static void
tap_listener_ready(struct tap *tap, struct tap_watch *watch, uint32_t events)
{
    struct tap_listener *listener = &tap->listener;
    (void)watch;
    (void)events;
    if (listener->fd < 0) /* closed in this round */
        return;
    for (int i = 0; i < ACCEPT_MAX; i++) {
        struct sockaddr_any client = {.len = sizeof(client.storage)};
        if (listener->spare < 0)
            listener->spare = tap_address_socket(&tap->back);
        if (listener->spare < 0) {
            tap_listener_pause(tap, errno);
            return;
        }
        int fd = accept4(listener->fd, &client.any, &client.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && out_of_means(errno)) {
            tap_listener_pause(tap, errno);
            return;
        }
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0) /* EINTR, or the client has gone again: ECONNABORTED and network errors */
            continue;
        if (tap_address_tune(&client, fd) < 0) { /* gone again, too */
            (void)close(fd);
            continue;
        }
        int server_fd = listener->spare;
        listener->spare = -1;
        (void)tap_conn_open(tap, fd, &client, server_fd); /* it has reported why */
    }
}

int
tap_listener_open(struct tap *tap)
{
    struct tap_listener *listener = &tap->listener;
    listener->watch.ready = tap_listener_ready;
    listener->spare = -1;
    listener->retry_ns = CLOCK_NEVER;
    listener->fd = tap_address_listen(&tap->front, &listener->id);
    if (listener->fd < 0)
        return -1;
    if (tap->front.any.sa_family != AF_UNIX && tap_address_own(&tap->front, listener->fd) < 0)
        goto fail;
    if (tap_watch(tap, listener->fd, &listener->watch, EPOLLIN) < 0)
        goto fail;
    return 0;
fail:
    tap_listener_close(tap);
    return -1;
}

void
tap_listener_retry(struct tap *tap)
{
    struct tap_listener *listener = &tap->listener;
    if (tap_rewatch(tap, listener->fd, &listener->watch, EPOLLIN) < 0) {
        tap_error(tap, "epoll_ctl", errno);
        listener->retry_ns = clock_now() + ACCEPT_RETRY_NS;
        return;
    }
    tap_listener_ready(tap, &listener->watch, EPOLLIN);
    if (listener->retry_ns < clock_now())
        listener->retry_ns = CLOCK_NEVER;
}

void
tap_listener_close(struct tap *tap)
{
    struct tap_listener *listener = &tap->listener;
    int saved = errno;
    if (listener->fd < 0)
        return;
    tap_address_remove(&tap->front, &listener->id);
    (void)close(listener->fd);
    if (listener->spare >= 0)
        (void)close(listener->spare);
    listener->fd = listener->spare = -1;
    listener->retry_ns = CLOCK_NEVER;
    errno = saved;
}

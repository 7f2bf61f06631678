/*
 * accept(2), repeated. When the process has no descriptor left, accept() fails
 * and the waiting connections keep the listening socket ready, so that the loop
 * would spin. The listener then stops watching the socket for a while; the
 * connections that exist are served meanwhile.
 */
#include "listener.h"

#include "clock.h"

#include <errno.h>
#include <unistd.h>

enum {
    PAUSE_MS = 100, /* between two attempts when there is no descriptor */
    ACCEPT_MAX = 64, /* accepted at a time; then the others have their turn */
};

static void
resume(void *owner)
{
    struct listener *listener = owner;
    loop_change(listener->loop, &listener->source, EPOLLIN);
}

static void
on_ready(void *owner, uint32_t events)
{
    struct listener *listener = owner;
    (void)events;
    for (int i = 0; i < ACCEPT_MAX; i++) {
        int fd = accept4(
            listener->source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            (void)endpoint_nodelay(
                &listener->address, fd); /* works without, only slower */
            listener->accepted(listener->owner, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
            errno == ENOMEM) {
            loop_change(listener->loop, &listener->source, 0); /* R7, P7 */
            loop_timer(
                listener->loop, clock_deadline(PAUSE_MS), resume, listener);
            return;
        }
        if (errno == EAGAIN)
            return;
        /* Other errors concern only that connection, which is gone: accept(2).
         */
    }
}

int
listener_open(struct listener *ret, struct loop *loop, const char *url,
    void (*accepted)(void *, int), void *owner)
{
    *ret = (struct listener){
        .loop = loop,
        .source = {.fd = -1,
            .events = EPOLLIN,
            .ready = on_ready,
            .owner = ret},
        .accepted = accepted,
        .owner = owner,
    };
    int fd = endpoint_listen(&ret->address, &ret->path, url);
    if (fd < 0)
        return -1;
    ret->source.fd = fd;
    return loop_add(loop, &ret->source);
}

void
listener_close(struct listener *listener)
{
    if (listener->source.fd < 0)
        return;
    loop_timer(listener->loop, CLOCK_NEVER, NULL, NULL);
    ipc_path_remove(&listener->path);
    (void)close(listener->source.fd); /* the loop stops watching it */
    listener->source.fd = -1;
}

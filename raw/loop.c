/*
 * The event loop, over epoll(7). The cost of a wait does not grow with the
 * number of idle connections; poll(2)'s does. epoll is level-triggered here: it
 * reports a descriptor again as long as bytes are left unread. There is no
 * thread: the loop works only while the program is in a call of the panel.
 */
#include "loop.h"

#include "clock.h"
#include "interrupt.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

int
loop_open(struct loop *ret)
{
    *ret = (struct loop){
        .timer_at = CLOCK_NEVER,
        .seen = interrupts,
    };
    ret->epoll = epoll_create1(EPOLL_CLOEXEC);
    return ret->epoll < 0 ? -1 : 0;
}

int
loop_add(struct loop *loop, struct source *source)
{
    struct epoll_event event = {
        .events = source->events,
        .data.ptr = source,
    };
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event);
}

void
loop_change(struct loop *loop, struct source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (source->events == events)
        return;
    source->events = events;
    int result = epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
    assert(result == 0); /* cannot fail: the source was added */
    (void)result;
}

void
loop_remove(struct loop *loop, struct source *source)
{
    int result = epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
    assert(result == 0);
    (void)result;
    for (int i = loop->next; i < loop->count; i++) {
        if (loop->events[i].data.ptr == source)
            loop->events[i].data.ptr = NULL;
    }
}

void
loop_timer(struct loop *loop, int64_t at, void (*due)(void *), void *owner)
{
    loop->timer_at = at;
    loop->timer_due = due;
    loop->timer_owner = owner;
}

/* Waits for events for at most `left` nanoseconds; CLOCK_NEVER: no limit. */
static int
wait_events(struct loop *loop, int64_t left)
{
    if (left > 0 && left != CLOCK_NEVER) {
        struct timespec timeout = {
            .tv_sec = left / CLOCK_S,
            .tv_nsec = left % CLOCK_S,
        };
        int n = epoll_pwait2(
            loop->epoll, loop->events, LOOP_EVENTS, &timeout, NULL);
        if (n >= 0 || errno != ENOSYS)
            return n;
        /* Kernels before 5.11 wait in milliseconds. A turn may end early, so a
         * second at a time keeps them within an int. */
        left = left < CLOCK_S ? left : CLOCK_S;
    }
    int ms = left == CLOCK_NEVER ? -1 : (int)((left + CLOCK_MS - 1) / CLOCK_MS);
    return epoll_wait(loop->epoll, loop->events, LOOP_EVENTS, ms);
}

int
loop_turn(struct loop *loop, int64_t deadline)
{
    int64_t until = loop->timer_at < deadline ? loop->timer_at : deadline;
    int64_t left = until == LOOP_NOW ? 0 : CLOCK_NEVER;
    if (until != LOOP_NOW && until != CLOCK_NEVER) {
        int64_t now = clock_now();
        if (now >= deadline) { /* R3 */
            errno = ETIMEDOUT;
            return -1;
        }
        left = until > now ? until - now : 0;
    }
    if (deadline != LOOP_NOW && loop->seen != interrupts) { /* R10, P8 */
        loop->seen = interrupts;
        errno = EINTR;
        return -1;
    }
    int n = wait_events(loop, loop->unfinished ? 0 : left);
    if (n < 0) {
        loop->seen = interrupts;
        return -1;
    }
    loop->count = n;
    for (loop->next = 0; loop->next < loop->count;) {
        struct epoll_event *event = &loop->events[loop->next++];
        struct source *source = event->data.ptr;
        if (source) /* NULL: removed by one that was called before it */
            source->ready(source->owner, event->events);
    }
    loop->next = loop->count = 0;
    if (loop->timer_at != CLOCK_NEVER && clock_now() >= loop->timer_at) {
        loop->timer_at = CLOCK_NEVER;
        loop->timer_due(loop->timer_owner);
        return 0;
    }
    if (n == 0 && deadline == LOOP_NOW && !loop->unfinished) {
        errno = ETIMEDOUT;
        return -1;
    }
    return 0;
}

void
loop_close(struct loop *loop)
{
    if (loop->epoll >= 0)
        (void)close(loop->epoll);
    loop->epoll = -1;
}

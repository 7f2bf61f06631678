/* One thread's wait for many descriptors, and for one timer. */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

enum {
    LOOP_EVENTS = 64, /* taken from the kernel at a time */
};

#define LOOP_NOW 0 /* a deadline that has passed: do not wait */

/* A descriptor that the loop watches; the owner of fd keeps it in place. */
struct source {
    int fd;
    uint32_t events; /* EPOLLIN...: what is waited for */
    void (*ready)(void *owner, uint32_t events);
    void *owner;
};

struct loop {
    int epoll;
    int count; /* events taken, and those of them dispatched */
    int next;
    struct epoll_event events[LOOP_EVENTS];
    int64_t timer_at; /* CLOCK_NEVER: off */
    void (*timer_due)(void *owner);
    void *timer_owner;
};

int loop_open(struct loop *ret);

/* Watches source->fd for source->events. ENOSPC, ENOMEM. */
int loop_add(struct loop *loop, struct source *source);

/* Watches for other events from now on. */
void loop_change(struct loop *loop, struct source *source, uint32_t events);

/* Watches it no more: ready() is not called again. */
void loop_remove(struct loop *loop, struct source *source);

/* Calls due(owner) once, at that CLOCK_MONOTONIC time. There is one timer. */
void loop_timer(
    struct loop *loop, int64_t at, void (*due)(void *), void *owner);

/*
 * Waits until something is ready, or the timer due, and calls those concerned;
 * returns 0, perhaps sooner than that. -1 and ETIMEDOUT: the deadline has
 * passed (with LOOP_NOW: nothing was ready); EINTR: a signal.
 */
int loop_turn(struct loop *loop, int64_t deadline);

/* Accepts a loop that loop_open() refused. */
void loop_close(struct loop *loop);

#endif

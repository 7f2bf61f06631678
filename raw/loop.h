/* One thread's wait for many descriptors and for one timer. */
#ifndef LOOP_H
#define LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

enum {
    LOOP_EVENTS = 64, /* taken from the kernel in one call */
};

#define LOOP_NOW 0 /* a deadline that has passed: do not wait */

/*
 * A descriptor that the loop watches. It must not move while it is watched, and
 * its owner closes fd.
 */
struct source {
    int fd;
    uint32_t events; /* EPOLLIN...: what to wait for */
    void (*ready)(void *owner, uint32_t events);
    void *owner;
};

struct loop {
    int epoll;
    int count; /* events taken from the kernel */
    int next; /* index of the next one to dispatch */
    struct epoll_event events[LOOP_EVENTS];
    int64_t timer_at; /* CLOCK_NEVER: off */
    void (*timer_due)(void *owner);
    void *timer_owner;
    bool unfinished; /* the owner has more to do: turns do not wait */
    sig_atomic_t seen; /* of the interrupts that the program has counted */
};

int loop_open(struct loop *ret);

/* Watches source->fd for source->events. ENOSPC, ENOMEM. */
int loop_add(struct loop *loop, struct source *source);

/* Changes the events that the source waits for. */
void loop_change(struct loop *loop, struct source *source, uint32_t events);

/* Stops watching: ready() is not called again. */
void loop_remove(struct loop *loop, struct source *source);

/*
 * Calls due(owner) once, at that CLOCK_MONOTONIC time. There is one timer:
 * setting it replaces the last setting. CLOCK_NEVER turns it off.
 */
void loop_timer(
    struct loop *loop, int64_t at, void (*due)(void *), void *owner);

/*
 * Waits until a source is ready or the timer is due, and calls their functions.
 * Returns 0, at times without having called any. -1 and ETIMEDOUT: the deadline
 * has passed (LOOP_NOW: nothing was ready); EINTR: a signal, which is noticed
 * even if something is ready at every turn (but for LOOP_NOW).
 */
int loop_turn(struct loop *loop, int64_t deadline);

/* Accepts a loop for which loop_open() failed. */
void loop_close(struct loop *loop);

#endif

/* Time: CLOCK_MONOTONIC in integer nanoseconds, and deadlines in it. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

enum {
    CLOCK_US = 1000, /* nanoseconds */
    CLOCK_MS = 1000 * CLOCK_US,
    CLOCK_S = 1000 * CLOCK_MS,
};

#define CLOCK_NEVER INT64_MAX

int64_t clock_now(void);

/* The time timeout_ms from now; CLOCK_NEVER for -1. */
int64_t clock_deadline(int timeout_ms);

/*
 * Milliseconds until a deadline, rounded up, as poll(2) takes them: 0 once it
 * has passed, -1 for CLOCK_NEVER.
 */
int clock_left_ms(int64_t deadline);

/* The due time of event n (from 0) at rate per second, beginning at start. */
int64_t clock_due(int64_t start, uint64_t n, int64_t rate);

/* Sleeps until that time. EINTR: a signal ended the sleep. */
int clock_sleep(int64_t until_ns);

#endif

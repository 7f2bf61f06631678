/* The tap's clock: CLOCK_MONOTONIC in nanoseconds, which is never 0. */
#ifndef TAP_CLOCK_H
#define TAP_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t
clock_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The earlier of two times, where 0 is never. */
static inline uint64_t
clock_earlier(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

#endif

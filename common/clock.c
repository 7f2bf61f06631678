/* Deadlines: see clock.h. The system's part is in clock_system.c. */
#include "clock.h"

#include <limits.h>

int64_t
clock_deadline(int timeout_ms)
{
    if (timeout_ms < 0)
        return CLOCK_NEVER;
    return clock_now() + (int64_t)timeout_ms * CLOCK_MS;
}

int
clock_left_ms(int64_t deadline)
{
    if (deadline == CLOCK_NEVER)
        return -1;
    int64_t left = deadline - clock_now();
    if (left <= 0)
        return 0;
    int64_t ms = (left + CLOCK_MS - 1) / CLOCK_MS;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int64_t
clock_due(int64_t start, uint64_t n, int64_t rate)
{
    /* Whole seconds are taken off, so that the product cannot overflow. */
    int64_t seconds = (int64_t)(n / (uint64_t)rate);
    int64_t rest = (int64_t)(n % (uint64_t)rate);
    return start + seconds * CLOCK_S + rest * CLOCK_S / rate;
}

/* The clock itself: see clock.h. clock_windows.c is the same for Windows. */
#include "clock.h"

#include <errno.h>
#include <time.h>

int64_t
clock_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: a valid clock */
    return (int64_t)now.tv_sec * CLOCK_S + now.tv_nsec;
}

int
clock_sleep(int64_t until_ns)
{
    struct timespec until = {
        .tv_sec = until_ns / CLOCK_S,
        .tv_nsec = until_ns % CLOCK_S,
    };
    /* clock_nanosleep() takes 50 us even for a time that has passed (measured):
     * a paced publisher that is late could never catch up. */
    if (clock_now() >= until_ns)
        return 0;
    errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    return errno == 0 ? 0 : -1;
}

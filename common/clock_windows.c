/* The clock itself: see clock.h. clock_system.c is the same for POSIX. */
#include "clock.h"

#include <windows.h>

#include <errno.h>

#include "console.h"

enum {
    TICK = 100, /* nanoseconds: the unit of a timer */
};

#ifndef CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 2 /* newer than mingw-w64 10 */
#endif

/* Wine takes it from CLOCK_MONOTONIC_RAW, which drifts away from the
 * CLOCK_MONOTONIC of the programs beside it. */
int64_t
clock_now(void)
{
    LARGE_INTEGER frequency;
    LARGE_INTEGER now;
    (void)QueryPerformanceFrequency(&frequency); /* neither fails, since XP */
    (void)QueryPerformanceCounter(&now);
    int64_t seconds = now.QuadPart / frequency.QuadPart;
    int64_t rest = now.QuadPart % frequency.QuadPart;
    return seconds * CLOCK_S + rest * CLOCK_S / frequency.QuadPart;
}

/*
 * A timer, because Sleep() counts whole milliseconds, and by default wakes up
 * at the system's tick, every 15.6 ms.
 */
int
clock_sleep(int64_t until_ns)
{
    HANDLE timer = CreateWaitableTimerExW(
        NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS);
    int64_t left;
    if (!timer) {
        errno = EAGAIN;
        return -1;
    }
    errno = 0;
    while (errno == 0 && (left = until_ns - clock_now()) > 0) {
        LARGE_INTEGER ticks = {.QuadPart = -((left + TICK - 1) / TICK)};
        HANDLE ends[] = {timer, console_event()};
        DWORD count = ends[1] ? 2 : 1;
        if (!SetWaitableTimer(timer, &ticks, 0, NULL, NULL, FALSE))
            errno = EAGAIN;
        else if (WaitForMultipleObjects(count, ends, FALSE, INFINITE) !=
            WAIT_OBJECT_0)
            errno = EINTR;
    }
    (void)CloseHandle(timer);
    return errno == 0 ? 0 : -1;
}

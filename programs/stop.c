/*
 * A signal that arrives just before a blocking call does not interrupt it, and
 * the call could then wait for ever; this happened with all three libraries. So
 * the handler sets a flag and starts a timer, whose signal interrupts every 50
 * ms from then on (timer_settime is async-signal-safe: signal-safety(7)).
 * Without SA_RESTART, blocking calls return EINTR. Loops that never sleep look
 * at the count of interrupt.h.
 */
#include "stop.h"

#include "interrupt.h"

#include <signal.h>
#include <string.h>
#include <time.h>

enum {
    REPEAT_MS = 50,
};

static volatile sig_atomic_t requested;
static timer_t timer;

static void
on_stop(int signum)
{
    (void)signum;
    requested = 1;
    interrupt();
    struct timespec repeat = {.tv_nsec = REPEAT_MS * 1000000L};
    struct itimerspec when = {.it_interval = repeat, .it_value = repeat};
    (void)timer_settime(
        timer, 0, &when, NULL); /* cannot fail: both are valid */
}

static void
on_timer(int signum)
{
    (void)signum; /* the signal itself interrupts a call that sleeps */
    interrupt();
}

int
stop_install(void)
{
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL,
        .sigev_signo = SIGALRM,
    };
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
        return -1;

    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_timer;
    if (sigaction(SIGALRM, &action, NULL) < 0)
        return -1;
    action.sa_handler = on_stop;
    if (sigaction(SIGINT, &action, NULL) < 0 ||
        sigaction(SIGTERM, &action, NULL) < 0)
        return -1;
    action.sa_handler = SIG_IGN; /* writing to a closed pipe fails instead */
    return sigaction(SIGPIPE, &action, NULL);
}

void
stop_request(void)
{
    on_stop(0);
}

bool
stop_requested(void)
{
    return requested != 0;
}

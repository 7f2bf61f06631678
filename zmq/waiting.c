/* Waiting for sockets of ZeroMQ: see waiting.h. No call of the library. */
#include "waiting.h"

#include <errno.h>
#include <time.h>

#include "clock.h"
#include "interrupt.h"

int
wait_readable(struct pollfd *fds, nfds_t n, int64_t until_ns, sig_atomic_t seen)
{
    struct timespec timeout = {0};
    int64_t left = CLOCK_NEVER;
    if (interrupts != seen) {
        errno = EINTR;
        return -1;
    }
    if (until_ns != CLOCK_NEVER) {
        left = until_ns - clock_now();
        if (left <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        timeout = (struct timespec){left / CLOCK_S, left % CLOCK_S};
    }
    int ready = ppoll(fds, n, left != CLOCK_NEVER ? &timeout : NULL, NULL);
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 ? 0 : -1;
}

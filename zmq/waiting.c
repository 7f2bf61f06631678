/*
 * Receiving from ZeroMQ, and waiting for it: see waiting.h. Both patterns take
 * a message with the same precaution, so its calls of the library stand here.
 */
#include "waiting.h"

#include <errno.h>
#include <time.h>

#include "clock.h"
#include "interrupt.h"
#include "notice.h"

int
receive(void *socket, zmq_msg_t *message)
{
    if (zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0)
        return -1;
    size_t parts = 1;
    size_t len = zmq_msg_size(message);
    for (; zmq_msg_more(message); parts++) {
        if (zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0)
            return -1;
        len += zmq_msg_size(message);
    }
    if (parts == 1)
        return 0;
    notice("a message has come in %zu parts, %zu bytes, where one part is "
           "expected: it counts as empty",
        parts, len);
    (void)zmq_msg_close(message); /* it was received, so it is valid */
    return zmq_msg_init(message);
}

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

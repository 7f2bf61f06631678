/*
 * What Winsock lacks. WSAPoll() differs from poll(2) in two ways:
 *
 *  - Nothing interrupts it, since Windows has no signals. So it waits in
 *    slices, and between them asks whether Ctrl-C was pressed.
 *  - poll(2) skips an entry without a socket. WSAPoll() fails with WSAEINVAL
 *    if it has no other, and Wine ends the wait with POLLNVAL. So it gets those
 *    with a socket alone.
 *
 * learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsapoll says so.
 */
#include "sockets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "clock.h"
#include "console.h"

enum {
    SLICE_MS = 50, /* Ctrl-C waits so long */
};

/* Those of the entries that have a socket, in an array of their own. */
static WSAPOLLFD *
with_sockets(const WSAPOLLFD *polled, size_t count, size_t *found)
{
    WSAPOLLFD *ret = malloc((count + 1) * sizeof(*ret));
    *found = 0;
    for (size_t i = 0; ret && i < count; i++) {
        if (polled[i].fd != INVALID_SOCKET)
            ret[(*found)++] = polled[i];
    }
    return ret;
}

int
poll_sockets(WSAPOLLFD *polled, size_t count, int timeout_ms)
{
    int64_t deadline = clock_deadline(timeout_ms);
    size_t found;
    WSAPOLLFD *asked = with_sockets(polled, count, &found);
    bool last = false;
    int ready = asked ? 0 : -1;
    while (ready == 0 && !last) {
        int64_t slice = clock_deadline(SLICE_MS);
        last = deadline <= slice;
        if (found == 0)
            ready = clock_sleep(last ? deadline : slice); /* 0, or EINTR */
        else
            ready = WSAPoll(
                asked, (ULONG)found, last ? clock_left_ms(deadline) : SLICE_MS);
        if (ready < 0 && found > 0)
            errno = errno_of(WSAGetLastError());
        if (ready == 0 && timeout_ms != 0 && console_interrupted()) {
            errno = EINTR;
            ready = -1;
        }
    }
    for (size_t i = 0, k = 0; i < count; i++) {
        bool has = polled[i].fd != INVALID_SOCKET;
        polled[i].revents = ready > 0 && has ? asked[k++].revents : 0;
    }
    free(asked);
    return ready;
}

int
errno_of(int error)
{
    return error == WSAEADDRINUSE ? EADDRINUSE : error;
}

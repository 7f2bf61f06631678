/* What the parts of the tap share: see tap.h. */
#include "tap.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

int
tap_watch(struct tap *tap, int fd, struct tap_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(tap->epoll, EPOLL_CTL_ADD, fd, &event);
}

int
tap_rewatch(struct tap *tap, int fd, struct tap_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(tap->epoll, EPOLL_CTL_MOD, fd, &event);
}

void
tap_error(struct tap *tap, const char *what, int error)
{
    char text[256];
    (void)snprintf(text, sizeof(text), "%s: %s", what, strerror(error));
    tap_output_begin(&tap->output, "error");
    tap_output_text(&tap->output, "text", text);
    tap_output_end(&tap->output);
}

/*
 * The bare sender: the same 64 KiB, full of messages, written again and again to each subscriber;
 * the bare receiver reads and counts bytes. Nobody looks at a message, so this is what the kernel
 * alone takes to move as many bytes; a message longer than the batch is a write of its own.
 *
 *     baseline-batch pub -u tcp://127.0.0.1:5555 -s 68 -n 1000000 -c 1
 *     baseline-batch sub -u tcp://127.0.0.1:5555 -s 68 -n 1000000
 */
#include "baseline.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 64 << 10, /* bytes in one write */
    READ = 256 << 10, /* bytes asked for in one read */
};

static struct baseline baseline_;

static bool
write_all(int fd, const unsigned char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static void
publish(void)
{
    int listener = baseline_listen(&baseline_);
    int *fds = calloc((size_t)baseline_.peers, sizeof(*fds));
    size_t in_batch = baseline_.size < BATCH ? BATCH / baseline_.size : 1;
    unsigned char *batch = calloc(in_batch, baseline_.size);
    baseline_check(&baseline_, fds && batch, "memory");
    baseline_ready(&baseline_);
    for (int i = 0; i < baseline_.peers; i++)
        if (!baseline_check(&baseline_, (fds[i] = baseline_accept(listener)) >= 0, "accept"))
            return;
    while (baseline_more(&baseline_)) {
        size_t n = in_batch;
        if (baseline_.count > 0 && baseline_.count - baseline_.sent < n)
            n = baseline_.count - baseline_.sent;
        for (int i = 0; i < baseline_.peers; i++)
            if (!baseline_check(&baseline_, write_all(fds[i], batch, n * baseline_.size), "send"))
                return;
        baseline_sent(&baseline_, n);
    }
    free(batch);
    free(fds);
    if (strncmp(baseline_.url, "ipc://", 6) == 0)
        (void)unlink(baseline_.url + 6);
}

static void
subscribe(void)
{
    int fd = baseline_connect(&baseline_);
    unsigned char *buffer = malloc(READ);
    size_t bytes = 0;
    ssize_t n = 1;
    baseline_check(&baseline_, buffer, "memory");
    baseline_ready(&baseline_);
    while (n > 0 && baseline_more(&baseline_)) {
        n = recv(fd, buffer, READ, 0);
        bytes += n > 0 ? (size_t)n : 0;
        baseline_received(&baseline_, bytes / baseline_.size);
        bytes %= baseline_.size;
    }
    free(buffer);
}

int
main(int argc, char **argv)
{
    baseline_open(&baseline_, "baseline-batch", argc, argv);
    if (baseline_is(&baseline_, "pub"))
        publish();
    else
        subscribe();
    return baseline_close(&baseline_);
}

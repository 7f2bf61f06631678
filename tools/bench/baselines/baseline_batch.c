/*
 * The bare sender: the same 64 KiB, full of messages, written again and again to each subscriber;
 * the bare receiver reads and counts bytes. Nobody looks at a message, so this is what the kernel
 * alone takes to move as many bytes; a message longer than the batch is a write of its own.
 *
 *     floor-batch pub -u tcp://127.0.0.1:5555 -s 68 -n 1000000 -c 1
 *     floor-batch sub -u tcp://127.0.0.1:5555 -s 68 -n 1000000
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

static struct floor floor_;

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
    int listener = floor_listen(&floor_);
    int *fds = calloc((size_t)floor_.peers, sizeof(*fds));
    size_t in_batch = floor_.size < BATCH ? BATCH / floor_.size : 1;
    unsigned char *batch = calloc(in_batch, floor_.size);
    floor_check(&floor_, fds && batch, "memory");
    floor_ready(&floor_);
    for (int i = 0; i < floor_.peers; i++)
        if (!floor_check(&floor_, (fds[i] = floor_accept(listener)) >= 0, "accept"))
            return;
    while (floor_more(&floor_)) {
        size_t n = in_batch;
        if (floor_.count > 0 && floor_.count - floor_.sent < n)
            n = floor_.count - floor_.sent;
        for (int i = 0; i < floor_.peers; i++)
            if (!floor_check(&floor_, write_all(fds[i], batch, n * floor_.size), "send"))
                return;
        floor_sent(&floor_, n);
    }
    free(batch);
    free(fds);
    if (strncmp(floor_.url, "ipc://", 6) == 0)
        (void)unlink(floor_.url + 6);
}

static void
subscribe(void)
{
    int fd = floor_connect(&floor_);
    unsigned char *buffer = malloc(READ);
    size_t bytes = 0;
    ssize_t n = 1;
    floor_check(&floor_, buffer, "memory");
    floor_ready(&floor_);
    while (n > 0 && floor_more(&floor_)) {
        n = recv(fd, buffer, READ, 0);
        bytes += n > 0 ? (size_t)n : 0;
        floor_received(&floor_, bytes / floor_.size);
        bytes %= floor_.size;
    }
    free(buffer);
}

int
main(int argc, char **argv)
{
    floor_open(&floor_, "floor-batch", argc, argv);
    if (floor_is(&floor_, "pub"))
        publish();
    else
        subscribe();
    return floor_close(&floor_);
}

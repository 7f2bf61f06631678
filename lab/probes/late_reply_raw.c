/*
 * A client on a plain socket that gives up on a request and asks the next one.
 *
 *   late-reply-raw naive|ids tcp://127.0.0.1:PORT
 *
 * naive: takes the next frame that comes for the answer; ids: only the one that carries the
 * request's number. Raw's framing: length u32 | request id u32 | message.
 */
#include "bytes.h"
#include "late_reply.h"
#include "plain.h"

#include <errno.h>
#include <sys/time.h>

static int
ask(int fd, uint32_t id, const char *text)
{
    uint32_t len = (uint32_t)strlen(text);
    unsigned char head[8];
    put_u32(put_u32(head, len + 4), id);
    if (send(fd, head, sizeof(head), MSG_MORE) < 0)
        return -1;
    return send(fd, text, len, 0) < 0 ? -1 : 0;
}

/* The text of the next frame, or of the next one with that id if it is not 0. */
static ssize_t
receive(int fd, uint32_t id, char text[64], int timeout_ms)
{
    struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    unsigned char head[8];
    ssize_t len;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    do {
        if (recv(fd, head, sizeof(head), MSG_WAITALL) != sizeof(head))
            return -1;
        len = (ssize_t)get_u32(head) - 4;
        if (len < 0 || len > 64 || recv(fd, text, (size_t)len, MSG_WAITALL) != len)
            return -1;
    } while (id != 0 && get_u32(head + 4) != id);
    return len;
}

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int ids = strcmp(argv[1], "ids") == 0;
    char text[64];
    int fd = plain_connect(argv[2]);
    if (fd < 0 || ask(fd, 1, "one") < 0)
        return 1;

    (void)getchar();
    ssize_t n = receive(fd, ids ? 1 : 0, text, GIVE_UP_MS);
    say("gave up", n < 0 ? strerror(errno) : "", text, n < 0 ? 0 : (int)n);
    say("asked again", ask(fd, 2, "two") < 0 ? strerror(errno) : "", "", 0);
    n = receive(fd, ids ? 2 : 0, text, WAIT_MS);
    say("received", n < 0 ? strerror(errno) : "", text, n < 0 ? 0 : (int)n);
    return 0;
}

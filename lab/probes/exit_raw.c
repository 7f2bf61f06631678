/*
 * A server on a plain socket that answers one request and ends at once. What it has written is the
 * kernel's from then on, whatever becomes of the process.
 *
 *   exit-raw exit|close URL BYTES
 *
 * tcp://127.0.0.1:PORT only. Raw's framing: length and request id stand before each message.
 */
#include "bytes.h"
#include "plain.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HEAD = 8, /* length u32, request id u32 */
};

int
main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t len = strtoul(argv[3], NULL, 10);
    int fd = plain_listen(argv[2]);
    if (fd < 0)
        return 1;
    puts("{\"event\":\"ready\"}");
    fflush(stdout);

    int peer = accept(fd, NULL, NULL);
    unsigned char head[HEAD], request[64];
    if (peer < 0 || recv(peer, head, HEAD, MSG_WAITALL) != HEAD ||
        recv(peer, request, sizeof(request), 0) <= 0)
        return 1;
    unsigned char *reply = calloc(1, HEAD + len);
    if (!reply)
        return 1;
    put_u32(reply, (uint32_t)(len + HEAD / 2)); /* it counts the id, too */
    memcpy(reply + 4, head + 4, 4);
    for (size_t sent = 0; sent < HEAD + len;) {
        ssize_t n = send(peer, reply + sent, HEAD + len - sent, 0);
        if (n < 0)
            return 1;
        sent += (size_t)n;
    }
    if (strcmp(argv[1], "close") == 0)
        close(peer);
    return 0; /* no less than exit(3): what a careless program does */
}

/*
 * A server on a plain socket that answers one request and ends at once. What it has written is the
 * kernel's from then on, whatever becomes of the process.
 *
 *   exit-raw exit|close URL BYTES
 *
 * tcp://127.0.0.1:PORT only. Raw's framing: length and request id stand before each message.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD = 8, /* length u32, request id u32 */
};

int
main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int on = 1;
    size_t len = strtoul(argv[3], NULL, 10);
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(strrchr(argv[2], ':') + 1)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
        return 1;
    puts("{\"event\":\"ready\"}");
    fflush(stdout);

    int peer = accept(fd, NULL, NULL);
    unsigned char head[HEAD], request[64];
    if (peer < 0 || recv(peer, head, HEAD, MSG_WAITALL) != HEAD ||
        recv(peer, request, sizeof(request), 0) <= 0)
        return 1;
    unsigned char *reply = calloc(1, HEAD + len);
    uint32_t length = htonl((uint32_t)(len + HEAD / 2)); /* it counts the id, too */
    if (!reply)
        return 1;
    memcpy(reply, &length, sizeof(length));
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

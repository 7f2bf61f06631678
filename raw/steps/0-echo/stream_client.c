/*
 * The client of stream_server.c, with the lecture's calls in the lecture's
 * order: socket, connect, send, recv, close.
 *
 *     cc -o stream-client stream_client.c
 *     ./stream-client 127.0.0.1:5555 hello        or several texts
 *
 * It sends all texts, then receives one answer for each.
 *
 * What it cannot do:
 *   - know that one recv() is one answer: it takes the bytes that are there;
 *   - wait for a server that is not there yet, or find it again: connect()
 *     fails once, and that is all;
 *   - give up: without an answer, recv() waits for ever.
 */
#include "echo.h"

int
main(int argc, char **argv)
{
    struct sockaddr_storage address;
    socklen_t length = read_address(&address, argc > 1 ? argv[1] : "");
    char buffer[4096];

    int server = socket(address.ss_family, SOCK_STREAM, 0);
    if (server < 0)
        fail("socket");
    if (connect(server, (struct sockaddr *)&address, length) < 0)
        fail("connect");
    for (int i = 2; i < argc; i++) {
        if (send(server, argv[i], strlen(argv[i]), 0) < 0)
            fail("send");
    }
    for (int i = 2; i < argc; i++) {
        ssize_t n = recv(server, buffer, sizeof(buffer), 0);
        if (n < 0)
            fail("recv");
        printf("recv: %zd bytes: %.*s\n", n, (int)n, buffer);
        fflush(stdout);
    }
    close(server);
    return 0;
}

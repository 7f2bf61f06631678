/*
 * An echo server over a stream (SOCK_STREAM), with the lecture's calls in the
 * lecture's order: socket, bind, listen, accept, recv, send, close, unlink.
 *
 *     cc -o stream-server stream_server.c
 *     ./stream-server 127.0.0.1:5555        or [::1]:5555, or /tmp/echo
 *
 * It serves one client after the other; Ctrl-C ends it. A second argument is a
 * number of clients: after so many it ends by itself.
 *
 * What it cannot do:
 *   - see where a message begins or ends: recv() returns the bytes that are
 *     there, half a message or three of them;
 *   - serve a second client before the first one has left;
 *   - outlive a client that leaves before it was answered;
 *   - start again at once after Ctrl-C while a client is connected: the port is
 *     held; the path is still there.
 */
#include "echo.h"

int
main(int argc, char **argv)
{
    struct sockaddr_storage address;
    socklen_t length = read_address(&address, argc > 1 ? argv[1] : "");
    int clients = argc > 2 ? atoi(argv[2]) : -1;
    char buffer[4096];

    int listener = socket(address.ss_family, SOCK_STREAM, 0);
    if (listener < 0)
        fail("socket");
    if (bind(listener, (struct sockaddr *)&address, length) < 0)
        fail("bind");
    if (listen(listener, 5) < 0)
        fail("listen");
    while (clients < 0 || clients-- > 0) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            fail("accept");
        ssize_t n;
        while ((n = recv(client, buffer, sizeof(buffer), 0)) > 0) {
            printf("recv: %zd bytes\n", n);
            fflush(stdout);
            if (send(client, buffer, (size_t)n, 0) < 0)
                fail("send");
        }
        if (n < 0)
            fail("recv");
        close(client);
    }
    close(listener);
    if (address.ss_family == AF_UNIX)
        unlink(argv[1]);
    return 0;
}

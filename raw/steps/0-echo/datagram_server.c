/*
 * An echo server over datagrams (SOCK_DGRAM), with the lecture's calls in the
 * lecture's order: socket, bind, recvfrom, sendto, close, unlink.
 *
 *     cc -o datagram-server datagram_server.c
 *     ./datagram-server 127.0.0.1:5555      or [::1]:5555, or /tmp/echo
 *
 * There is no listen and no accept: one socket hears every client, and a
 * datagram is a message. Ctrl-C ends it. A second argument is a number of
 * datagrams: after so many it ends by itself.
 *
 * What it cannot do:
 *   - see more of a datagram than its buffer holds: the rest is cut off;
 *   - know whether an answer arrived: UDP loses datagrams and tells nobody;
 *   - know who is asking: anybody may write any sender into a datagram.
 */
#include "echo.h"

int
main(int argc, char **argv)
{
    struct sockaddr_storage address, client;
    socklen_t length = read_address(&address, argc > 1 ? argv[1] : "");
    int datagrams = argc > 2 ? atoi(argv[2]) : -1;
    char buffer[4096];

    int server = socket(address.ss_family, SOCK_DGRAM, 0);
    if (server < 0)
        fail("socket");
    if (bind(server, (struct sockaddr *)&address, length) < 0)
        fail("bind");
    while (datagrams < 0 || datagrams-- > 0) {
        socklen_t client_length = sizeof(client);
        ssize_t n = recvfrom(server, buffer, sizeof(buffer), 0,
            (struct sockaddr *)&client, &client_length);
        if (n < 0)
            fail("recvfrom");
        printf("recvfrom: %zd bytes\n", n);
        fflush(stdout);
        if (sendto(server, buffer, (size_t)n, 0, (struct sockaddr *)&client,
                client_length) < 0)
            fail("sendto");
    }
    close(server);
    if (address.ss_family == AF_UNIX)
        unlink(argv[1]);
    return 0;
}

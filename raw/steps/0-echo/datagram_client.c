/*
 * The client of datagram_server.c, with the lecture's calls in the lecture's
 * order: socket, sendto, recvfrom, close.
 *
 *     cc -o datagram-client datagram_client.c
 *     ./datagram-client 127.0.0.1:5555 hello        or several texts
 *
 * It sends a text, receives the answer, and goes on with the next. A UNIX
 * socket has no address until it is bound, so that nobody could answer it:
 * bind() with the family alone lets the kernel choose one (unix(7), autobind).
 *
 * What it cannot do:
 *   - notice a datagram that was lost: recvfrom() waits for ever;
 *   - tell the server's answer from a stranger's datagram: it takes any.
 */
#include "echo.h"

int
main(int argc, char **argv)
{
    struct sockaddr_storage address;
    socklen_t length = read_address(&address, argc > 1 ? argv[1] : "");
    char buffer[4096];

    int client = socket(address.ss_family, SOCK_DGRAM, 0);
    if (client < 0)
        fail("socket");
    if (address.ss_family == AF_UNIX &&
        bind(client, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0)
        fail("bind");
    for (int i = 2; i < argc; i++) {
        if (sendto(client, argv[i], strlen(argv[i]), 0,
                (struct sockaddr *)&address, length) < 0)
            fail("sendto");
        ssize_t n = recvfrom(client, buffer, sizeof(buffer), 0, NULL, NULL);
        if (n < 0)
            fail("recvfrom");
        printf("recvfrom: %zd bytes: %.*s\n", n, (int)n, buffer);
        fflush(stdout);
    }
    close(client);
    return 0;
}

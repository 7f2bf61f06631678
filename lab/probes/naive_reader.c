/*
 * A server as many a first program has it: it takes what one read(2) returns for
 * one message. Accepts one connection, and says how much each read returned.
 *
 *   naive-reader PORT
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    char buffer[4096];
    int one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "0"));
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0)
        return 1;
    printf("{\"event\":\"ready\"}\n");
    fflush(stdout);
    int fd = accept(listener, NULL, NULL);
    for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
        printf("{\"event\":\"message\",\"length\":%zd}\n", n);
        fflush(stdout);
    }
    printf("{\"event\":\"end\"}\n");
    return 0;
}

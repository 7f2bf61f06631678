/*
 * A server as many a first program has it: it takes what one read(2) returns for
 * one message. Accepts one connection, and says how much each read returned.
 *
 *   naive-reader PORT
 */
#include "plain.h"

#include <stdio.h>

int
main(int argc, char **argv)
{
    char buffer[4096];
    char url[64];
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%s", argc > 1 ? argv[1] : "0");
    int listener = plain_listen(url);
    if (listener < 0)
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

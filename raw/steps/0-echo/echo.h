/*
 * What the four echo programs share: an address as one argument, and the end of
 * a program whose call failed.
 *
 *     127.0.0.1:5555     AF_INET: IPv4 address and port
 *     [::1]:5555         AF_INET6: IPv6 address and port
 *     /tmp/echo          AF_UNIX: a path of the file system
 */
#ifndef ECHO_H
#define ECHO_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Prints which call failed, and why; ends the program. */
static inline void
fail(const char *call)
{
    perror(call);
    exit(1);
}

/* Fills in *ret from the text, and returns its length: what bind(), connect()
 * and sendto() want to know. */
static inline socklen_t
read_address(struct sockaddr_storage *ret, const char *text)
{
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    struct sockaddr_un *un = (struct sockaddr_un *)ret;
    const char *colon = strrchr(text, ':');
    char host[64] = "", *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

    memset(ret, 0, sizeof(*ret));
    if (text[0] == '/' && strlen(text) < sizeof(un->sun_path)) {
        un->sun_family = AF_UNIX;
        strcpy(un->sun_path, text);
        return sizeof(*un);
    }
    if (colon && (size_t)(colon - text) < sizeof(host) && end > colon + 1 &&
        *end == '\0' && port <= 65535) {
        memcpy(host, text, (size_t)(colon - text));
        if (host[0] == '[' && colon[-1] == ']') {
            host[strlen(host) - 1] = '\0';
            in6->sin6_family = AF_INET6;
            in6->sin6_port = htons((in_port_t)port); /* big-endian */
            if (inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1)
                return sizeof(*in6);
        }
        in->sin_family = AF_INET;
        in->sin_port = htons((in_port_t)port);
        if (inet_pton(AF_INET, host, &in->sin_addr) == 1)
            return sizeof(*in);
    }
    fprintf(stderr, "%s: not IPV4:PORT, [IPV6]:PORT or /PATH\n", text);
    exit(2);
}

#endif

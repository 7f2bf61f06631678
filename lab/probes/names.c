/*
 * Asks the library to connect to an address with a host name. Says what connect
 * returned, then waits to be killed: whether a connection was made, the one who
 * listens there sees.
 *
 *   names URL        as the library is by default
 *   names URL ipv6   with IPv6 turned on; a plain socket: the first address that
 *                    getaddrinfo(3) names, and no other
 *   names URL each   a plain socket: each address, one after the other
 */
#include "answer.h"

#include <errno.h>
#include <unistd.h>

#if defined(WITH_ZMQ)
#include <zmq.h>
#elif defined(WITH_NN)
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#else
#include <netdb.h>
#include <sys/socket.h>
#endif

static const char *words; /* of the library, for what went wrong */

#if defined(WITH_ZMQ)
static int
connect_to(const char *url, const char *how)
{
    int ipv6 = strcmp(how, "ipv6") == 0;
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_PAIR);
    zmq_setsockopt(socket, ZMQ_IPV6, &ipv6, sizeof(ipv6));
    int result = zmq_connect(socket, url);
    words = zmq_strerror(errno);
    return result;
}
#elif defined(WITH_NN)
static int
connect_to(const char *url, const char *how)
{
    int socket = nn_socket(AF_SP, NN_PAIR);
#ifndef NNG_COMPAT_NN_H
    int ipv4only = strcmp(how, "ipv6") != 0;
    nn_setsockopt(socket, NN_SOL_SOCKET, NN_IPV4ONLY, &ipv4only, sizeof(ipv4only));
#else
    (void)how;
#endif
    int result = nn_connect(socket, url) < 0 ? -1 : 0; /* an endpoint's number, else */
    words = nn_strerror(errno);
    return result;
}
#else
static int
connect_to(const char *url, const char *how)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char host[256];
    const char *name = strstr(url, "://") + 3, *colon = strrchr(url, ':');
    snprintf(host, sizeof(host), "%.*s", (int)(colon - name), name);
    int result = getaddrinfo(host, colon + 1, &hints, &list);
    if (result != 0) {
        words = gai_strerror(result);
        return -1;
    }
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        int fd = socket(a->ai_family, a->ai_socktype, 0);
        result = connect(fd, a->ai_addr, a->ai_addrlen);
        words = strerror(errno);
        if (result == 0 || strcmp(how, "each") != 0)
            break;
        close(fd);
    }
    freeaddrinfo(list);
    return result;
}
#endif

int
main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    int result = connect_to(argv[1], argc > 2 ? argv[2] : "");
    answer(result, result < 0 ? words : "none");
    pause();
    return 0;
}

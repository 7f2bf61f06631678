/*
 * URL to sockaddr: see sockaddr.h. The libraries take a URL. The kernel takes a
 * structure for each family: numbers in network byte order, or a path.
 */
#include "sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Reads HOST:PORT, HOST as an address of IPv4 or of IPv6. */
static int
parse_host_port(struct sockaddr_any *ret, const char *rest)
{
    char host[INET6_ADDRSTRLEN + 2]; /* with its brackets */
    const char *colon = strrchr(rest, ':');
    if (!colon || colon == rest || (size_t)(colon - rest) >= sizeof(host))
        return -1;
    size_t len = (size_t)(colon - rest);
    memcpy(host, rest, len);
    host[len] = '\0';

    size_t digits = strspn(colon + 1, "0123456789");
    unsigned port = 0;
    if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
        return -1;
    for (size_t i = 1; i <= digits; i++)
        port = 10 * port + (unsigned)(colon[i] - '0');
    if (port > UINT16_MAX)
        return -1;

    if (host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        ret->in6.sin6_family = AF_INET6;
        ret->in6.sin6_port = htons((uint16_t)port);
        ret->len = sizeof(ret->in6);
        return inet_pton(AF_INET6, host + 1, &ret->in6.sin6_addr) == 1 ? 0 : -1;
    }
    ret->in.sin_family = AF_INET;
    ret->in.sin_port = htons((uint16_t)port);
    ret->len = sizeof(ret->in);
    if (strcmp(host, "*") == 0) {
        ret->in.sin_addr.s_addr = htonl(INADDR_ANY);
        return 0;
    }
    return inet_pton(AF_INET, host, &ret->in.sin_addr) == 1 ? 0 : -1;
}

static int
parse_path(struct sockaddr_any *ret, const char *path)
{
    size_t len = strlen(path);
    if (path[0] != '/' || len >= sizeof(ret->un.sun_path))
        return -1;
    ret->un.sun_family = AF_UNIX;
    memcpy(ret->un.sun_path, path, len + 1);
    ret->len = sizeof(ret->un);
    return 0;
}

/* Reads a URL of this scheme, or of ipc. */
static int
parse(struct sockaddr_any *ret, const char *url, const char *scheme)
{
    struct sockaddr_any address;
    memset(&address, 0, sizeof(address));
    int result = -1;
    errno = EINVAL;
    if (strncmp(url, scheme, strlen(scheme)) == 0)
        result = parse_host_port(&address, url + strlen(scheme));
    else if (strncmp(url, "ipc://", 6) == 0)
        result = parse_path(&address, url + 6);
    else if (strncmp(url, "tcp://", 6) == 0 || strncmp(url, "udp://", 6) == 0)
        errno = EPROTONOSUPPORT;
    if (result == 0)
        *ret = address;
    return result;
}

int
sockaddr_parse(struct sockaddr_any *ret, const char *url)
{
    return parse(ret, url, "tcp://");
}

int
sockaddr_parse_datagram(struct sockaddr_any *ret, const char *url)
{
    return parse(ret, url, "udp://");
}

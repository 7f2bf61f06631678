/*
 * Checks addresses before a library sees them. The libraries accept nonsense
 * (port 99999, "22a"), delete a regular file that they find at an ipc path, and
 * disagree on host names: with "::1 localhost" in the hosts file none of them
 * reaches a server on 127.0.0.1. So a panel is given literal addresses only.
 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum {
    HOST_MAX = 255, /* bytes of a name in the DNS (RFC 1035, 2.3.4) */
};

#define HOST_LETTERS                                                           \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

static char reason[512];

static int
refuse(int errnum, const char **why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    *why = reason;
    errno = errnum;
    return -1;
}

static int
check_port(unsigned *ret, const char *text)
{
    size_t len = strspn(text, "0123456789");
    unsigned port = 0;
    if (len == 0 || len > 5 || text[len] != '\0')
        return -1;
    for (size_t i = 0; i < len; i++)
        port = 10 * port + (unsigned)(text[i] - '0');
    if (port < 1 || port > 65535)
        return -1;
    *ret = port;
    return 0;
}

/* Writes a host's first address, IPv4 before IPv6, as a URL has it. */
static int
resolve(char *ret, size_t size, const char *host, const char **why)
{
    int families[] = {AF_INET, AF_INET6};
    int error = 0;
    for (int i = 0; i < 2; i++) {
        struct addrinfo hints = {
            .ai_family = families[i],
            .ai_socktype = SOCK_STREAM,
        };
        struct addrinfo *found;
        int result = getaddrinfo(host, NULL, &hints, &found);
        if (result != 0) {
            if (error != EAI_AGAIN) /* "not now" outlives "not at all" */
                error = result;
            continue;
        }
        char name[INET6_ADDRSTRLEN];
        result = getnameinfo(found->ai_addr, (socklen_t)found->ai_addrlen, name,
            sizeof(name), NULL, 0, NI_NUMERICHOST);
        freeaddrinfo(found);
        if (result != 0) {
            error = result;
            continue;
        }
        const char *form = families[i] == AF_INET6 ? "[%s]" : "%s";
        (void)snprintf(ret, size, form, name);
        return 0;
    }
    return refuse(error == EAI_AGAIN ? EAGAIN : ENOENT, why,
        "%s: %s; give a numeric address?", host, gai_strerror(error));
}

/* scheme: "tcp" or "udp". */
static int
check_host_port(char *ret, const char *scheme, const char *rest, bool bind,
    const char **why)
{
    const char *colon = strrchr(rest, ':');
    if (!colon)
        return refuse(
            EINVAL, why, "no port; %s://HOST:PORT is expected", scheme);
    size_t len = (size_t)(colon - rest);
    unsigned port;
    if (check_port(&port, colon + 1) < 0)
        return refuse(EINVAL, why,
            "port \"%.64s\" is not a number from 1 to 65535", colon + 1);
    if (len == 0 || len > HOST_MAX)
        return refuse(EINVAL, why, "%s host; %s://HOST:PORT is expected",
            len == 0 ? "no" : "too long a", scheme);

    char host[HOST_MAX + 1];
    char literal[INET6_ADDRSTRLEN + 2];
    unsigned char binary[sizeof(struct in6_addr)];
    memcpy(host, rest, len);
    host[len] = '\0';
    if (host[0] == '[') {
        if (host[len - 1] != ']')
            return refuse(EINVAL, why, "no \"]\" after the IPv6 address");
        host[len - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, binary) != 1)
            return refuse(
                EINVAL, why, "\"%s\" is not an IPv6 address", host + 1);
        literal[0] = '[';
        (void)inet_ntop(AF_INET6, binary, literal + 1, INET6_ADDRSTRLEN);
        memcpy(literal + strlen(literal), "]", 2);
    } else if (strchr(host, ':')) {
        return refuse(EINVAL, why,
            "an IPv6 address stands in brackets: %s://[::1]:%u", scheme, port);
    } else if (strcmp(host, "*") == 0) {
        if (!bind)
            return refuse(EINVAL, why,
                "\"*\" is an address to bind, not one to "
                "connect to; did you mean %s://127.0.0.1:%u?",
                scheme, port);
        memcpy(literal, "*", 2);
    } else if (inet_pton(AF_INET, host, binary) == 1) {
        memcpy(literal, host, len + 1);
    } else if (strcasecmp(host, "localhost") == 0) {
        /* Even where no hosts file says so (RFC 6761, 6.3). */
        memcpy(literal, "127.0.0.1", sizeof("127.0.0.1"));
    } else if (strspn(host, HOST_LETTERS) != len) {
        return refuse(EINVAL, why, "\"%s\" is not a host name", host);
    } else if (resolve(literal, sizeof(literal), host, why) < 0) {
        return -1;
    }
    (void)snprintf(ret, ADDRESS_MAX, "%s://%s:%u", scheme, literal, port);
    return 0;
}

static int
check_ipc(char *ret, const char *path, bool bind, const char **why)
{
    size_t len = strlen(path);
    if (path[0] != '/')
        return refuse(EINVAL, why,
            "the path must be absolute: ipc:///tmp/example, three slashes");
    if (len > ADDRESS_PATH_MAX)
        return refuse(EINVAL, why, "the path has %zu bytes, %d are possible",
            len, ADDRESS_PATH_MAX);
    struct stat status;
    if (bind && lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
        return refuse(EEXIST, why,
            "the path holds something that is not a socket; it stays "
            "untouched, "
            "choose another with -u");
    (void)snprintf(ret, ADDRESS_MAX, "ipc://%s", path);
    return 0;
}

int
address_check(
    char ret[ADDRESS_MAX], const char *url, bool bind, const char **why)
{
    if (strncmp(url, "tcp://", 6) == 0)
        return check_host_port(ret, "tcp", url + 6, bind, why);
    if (strncmp(url, "udp://", 6) == 0)
        return check_host_port(ret, "udp", url + 6, bind, why);
    if (strncmp(url, "ipc://", 6) == 0)
        return check_ipc(ret, url + 6, bind, why);
    return refuse(EINVAL, why,
        "not an address; tcp://HOST:PORT or ipc:///PATH is expected");
}

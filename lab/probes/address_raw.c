/*
 * What the system says when a program binds or connects to an address, with nothing in between: the
 * sockets' own answer.
 *
 *   address-raw bind|connect tcp://HOST:PORT|ipc:///PATH
 *
 * One JSON line; then it waits for the end of its input, still bound.
 */
#include "answer.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
use(const char *verb, const struct sockaddr *addr, socklen_t len)
{
    int on = 1;
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (strcmp(verb, "connect") == 0)
        return connect(fd, addr, len);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* as servers do */
    return bind(fd, addr, len) < 0 ? -1 : listen(fd, 16);
}

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    char *address = strstr(argv[2], "://");
    if (!address)
        return 2;
    address += strlen("://");
    if (strncmp(argv[2], "ipc:", 4) == 0) {
        struct sockaddr_un sun = {.sun_family = AF_UNIX};
        snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", address);
        int result = use(argv[1], (struct sockaddr *)&sun, sizeof(sun));
        answer(result, result < 0 ? strerror(errno) : "");
    } else {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        struct addrinfo *found = NULL;
        char *port = strrchr(address, ':');
        if (!port)
            return 2;
        *port++ = '\0';
        int problem = getaddrinfo(address, port, &hints, &found);
        int result = problem ? -1 : use(argv[1], found->ai_addr, found->ai_addrlen);
        answer(result, problem ? gai_strerror(problem) : result < 0 ? strerror(errno) : "");
    }
    while (getchar() != EOF)
        ;
    return 0;
}

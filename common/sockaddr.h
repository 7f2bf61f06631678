/*
 * From the URL of an address to the structure that the socket calls take. This
 * is the only file in common/ that includes socket headers.
 */
#ifndef SOCKADDR_H
#define SOCKADDR_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* One of the kernel's structures, as in bind(fd, &address.any, address.len). */
struct sockaddr_any {
    union {
        struct sockaddr any; /* any.sa_family tells which one it is */
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage; /* room for accept(2) and its like */
    };
    socklen_t len; /* bytes */
};

/*
 * Reads a literal address: tcp://1.2.3.4:PORT, tcp://[::1]:PORT, tcp://'*':PORT
 * without the quotes (every IPv4 address of this machine), ipc:///PATH. PORT is
 * 0 to 65535; to bind to port 0 takes a free one. No name is looked up.
 *
 * EINVAL: not such an address; EPROTONOSUPPORT: an address of datagrams,
 * udp://. *ret is then untouched.
 */
int sockaddr_parse(struct sockaddr_any *ret, const char *url);

/*
 * The same for datagrams (SOCK_DGRAM): udp://1.2.3.4:PORT, udp://[::1]:PORT,
 * ipc:///PATH. EPROTONOSUPPORT: tcp://.
 */
int sockaddr_parse_datagram(struct sockaddr_any *ret, const char *url);

#endif

/*
 * Addresses as the user writes them, checked before any library sees them, and
 * turned into the literal ones that panels take.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>

enum {
    ADDRESS_PATH_MAX = 107, /* bytes of an ipc path, as sun_path holds */
    ADDRESS_MAX = 128, /* bytes of a literal address with its NUL */
};

/*
 * Checks url - tcp:// or udp://HOST:PORT with a name, an IPv4 address, an IPv6
 * address in brackets or, to bind, "*"; or ipc:///PATH - and writes its literal
 * form, the host name resolved (IPv4 first), to ret. Nothing is connected to.
 *
 * On failure *why is a sentence for the user, valid until the next call, and
 * errno: EINVAL, not such an address; EEXIST, to bind, something that is not a
 * socket is at the path; ENOENT, an unknown host; EAGAIN, the host cannot be
 * resolved now.
 */
int address_check(
    char ret[ADDRESS_MAX], const char *url, bool bind, const char **why);

#endif

/* What the pattern files expect of poll(2) and errno, and Winsock lacks. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <winsock2.h>

/*
 * WSAPoll(), as poll(2) is. EINTR: Ctrl-C was pressed, and from then on each
 * wait ends so, after 50 ms at most; without a wait it does not. An entry whose
 * fd is INVALID_SOCKET is skipped; all of them may be.
 */
int poll_sockets(WSAPOLLFD *polled, size_t count, int timeout_ms);

/*
 * The errno for an error of WSAGetLastError(): EADDRINUSE, or the same number,
 * which panel_strerror() knows.
 */
int errno_of(int error);

#endif

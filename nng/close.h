/* Closing a socket, which both patterns must do with the same precaution. */
#ifndef CLOSE_H
#define CLOSE_H

/* Closes a socket, soon whatever arrives meanwhile. */
void close_socket(int socket);

#endif

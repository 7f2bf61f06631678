/* Receiving a message, which both patterns must do with the same precaution. */
#ifndef RECEIVE_H
#define RECEIVE_H

/*
 * Receives a message into memory of the library and returns its length. The
 * caller must free *message with nn_freemsg(); it may be NULL if the length is
 * 0. flags are those of nn_recv().
 */
int receive(int socket, void **message, int flags);

#endif

/*
 * Receiving from a socket of ZeroMQ, and waiting for it. Its calls could wait
 * themselves, with ZMQ_RCVTIMEO. But they go on in a loop when what has come is
 * discarded, such as a request without the empty part. While a peer sends that
 * without end they hardly ever sleep, and no signal ends them (measured). So
 * the panel asks with ZMQ_DONTWAIT, and waits here for the socket's descriptor
 * (ZMQ_FD).
 */
#ifndef WAITING_H
#define WAITING_H

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <zmq.h>

/*
 * Receives a message that has come; EAGAIN: none has. Discards its further
 * parts: we never send multipart messages, so one counts as empty.
 */
int receive(void *socket, zmq_msg_t *message);

/*
 * Waits until one of the descriptors becomes readable. A socket's descriptor
 * does so once for all that has come before the socket is asked
 * (zmq_getsockopt(3), ZMQ_FD): so ask the socket first. ETIMEDOUT: it is later
 * than until_ns; EINTR: a signal, also one since `seen` was read from
 * `interrupts`.
 */
int wait_readable(
    struct pollfd *fds, nfds_t n, int64_t until_ns, sig_atomic_t seen);

#endif

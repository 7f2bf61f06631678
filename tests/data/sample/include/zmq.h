#include <stddef.h>
#define ZMQ_LINGER 17
#define ZMQ_IPV6 42
void *zmq_socket(const char *url);
int zmq_setsockopt(void *socket, int option, int value);
int zmq_send(void *socket, const void *data, size_t len);
int zmq_close(void *socket);

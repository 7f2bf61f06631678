#include <stddef.h>
#define NN_SOL_SOCKET 0
#define NN_RECONNECT_IVL 6
int nn_socket(const char *url);
int nn_setsockopt(int socket, int level, int option, int value);
int nn_send(int socket, const void *data, size_t len, int flags);
int nn_close(int socket);

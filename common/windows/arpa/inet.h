/* Where Windows declares what this header does elsewhere. */
#include <winsock2.h>
#include <ws2tcpip.h>

/* Where Windows declares what this header does elsewhere. */
#include <winsock2.h>
/* behind winsock2.h, which it needs */
#include <afunix.h>

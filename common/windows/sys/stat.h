/*
 * What Windows lacks of this header. It has no symbolic links in the sense of
 * lstat(2), and stat() tells nothing of sockets: whatever stands at a path is
 * taken for something else, and stays untouched.
 */
#pragma GCC system_header
#include_next <sys/stat.h>

#define lstat stat
#define S_ISSOCK(mode) ((void)(mode), 0)

/*
 * The path of a UNIX socket that a server has bound. The path outlives the
 * socket, so the server must remove it. By then, something else may stand
 * there: a successor's socket, or anybody's file.
 */
#ifndef IPC_PATH_H
#define IPC_PATH_H

#include "address.h"

#include <stdbool.h>

/* All zero: no path. */
struct ipc_path {
    char path[ADDRESS_PATH_MAX + 1];
    int fd; /* of the socket's inode: O_PATH */
};

/*
 * Takes hold of the socket at url's path; to be called right after the bind. Of
 * an address without a path, succeeds and takes nothing. EEXIST: something that
 * is not a socket is there; else as open(2).
 */
int ipc_path_take(struct ipc_path *ret, const char *url);

/*
 * Removes the path if it still is that socket, and leaves anything else alone.
 * Keeps errno.
 */
void ipc_path_remove(struct ipc_path *path);

/*
 * For a library that removes whatever is at its path when it closes: moves
 * aside what is not that socket, and returns whether there was such a thing. It
 * has no path until ipc_path_put_back(), which the caller must call then.
 */
bool ipc_path_set_aside(const struct ipc_path *path);
void ipc_path_put_back(const struct ipc_path *path);

/* Lets go of the socket. The path stays. Keeps errno. */
void ipc_path_release(struct ipc_path *path);

#endif

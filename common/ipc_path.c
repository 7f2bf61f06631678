/*
 * The path of a bound UNIX socket: see ipc_path.h. A path is the same socket as
 * before if device and inode are the same. The descriptor keeps the inode in
 * use, because the kernel may give a free inode's number to the next file.
 *
 * Linux has no call that removes a path only if it is a certain inode. Between
 * a comparison and unlink(2), somebody could replace it. So the path is moved
 * aside, compared where nobody else replaces it, and moved back if it was
 * another's.
 */
#include "ipc_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
ipc_path_take(struct ipc_path *ret, const char *url)
{
    struct ipc_path taken = {0};
    struct stat status;
    if (strncmp(url, "ipc://", 6) != 0) {
        *ret = taken;
        return 0;
    }
    if (strlen(url + 6) > ADDRESS_PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(taken.path, url + 6, strlen(url + 6) + 1);
    taken.fd = open(taken.path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (taken.fd < 0)
        return -1;
    int errnum = EEXIST;
    if (fstat(taken.fd, &status) < 0)
        errnum = errno;
    else if (S_ISSOCK(status.st_mode))
        errnum = 0;
    if (errnum != 0) {
        (void)close(taken.fd);
        errno = errnum;
        return -1;
    }
    *ret = taken;
    return 0;
}

/* Whether the socket that was taken stands at this path. */
static bool
stands_at(const struct ipc_path *path, const char *name)
{
    struct stat here, there;
    return fstat(path->fd, &here) == 0 && lstat(name, &there) == 0 &&
        here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

enum {
    ASIDE_MAX = ADDRESS_PATH_MAX + 24, /* with a dot and a process's number */
};

static void
name_aside(const struct ipc_path *path, char name[ASIDE_MAX])
{
    (void)snprintf(name, ASIDE_MAX, "%s.%ld", path->path, (long)getpid());
}

static int
move(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

void
ipc_path_remove(struct ipc_path *path)
{
    char aside[ASIDE_MAX];
    int errnum = errno;
    name_aside(path, aside);
    if (stands_at(path, path->path) && move(path->path, aside) == 0) {
        if (!stands_at(path, aside) || unlink(aside) < 0)
            (void)move(aside, path->path);
    }
    ipc_path_release(path);
    errno = errnum;
}

bool
ipc_path_set_aside(const struct ipc_path *path)
{
    char aside[ASIDE_MAX];
    name_aside(path, aside);
    return path->path[0] != '\0' && !stands_at(path, path->path) &&
        move(path->path, aside) == 0;
}

void
ipc_path_put_back(const struct ipc_path *path)
{
    char aside[ASIDE_MAX];
    name_aside(path, aside);
    (void)move(aside, path->path); /* fails if somebody has bound it since */
}

void
ipc_path_release(struct ipc_path *path)
{
    int errnum = errno;
    if (path->path[0] != '\0')
        (void)close(path->fd);
    *path = (struct ipc_path){0};
    errno = errnum;
}

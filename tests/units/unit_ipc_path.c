/* The path of a bound socket: removed while it is that socket, and left alone if it is not. */
#include "unit.h"

#include "ipc_path.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/unit-ipc-path-XXXXXX";
static char url[64], *path = url + 6, other[64];

static int
bind_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void
put_file(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static mode_t
type_of(const char *name)
{
    struct stat status;
    return lstat(name, &status) < 0 ? 0 : status.st_mode & S_IFMT;
}

/* If this is set, a file replaces the socket just before the first move. */
static bool replace;

int
renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (replace) {
        replace = false;
        assert_int_equal(unlink(path), 0);
        put_file(path);
    }
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

static void
test_own_path(void **state)
{
    (void)state;
    struct ipc_path taken;
    int fd = bind_at(path);
    assert_int_equal(ipc_path_take(&taken, url), 0);
    errno = EDOM;
    ipc_path_remove(&taken);
    assert_int_equal(errno, EDOM);
    assert_int_equal(type_of(path), 0);
    ipc_path_remove(&taken); /* nothing is left to remove */
    assert_int_equal(close(fd), 0);
}

static void
test_replaced(void **state)
{
    (void)state;
    struct ipc_path taken;
    for (int successor = 0; successor < 2; successor++) {
        int fd = bind_at(path);
        assert_int_equal(ipc_path_take(&taken, url), 0);
        assert_int_equal(close(fd), 0);
        assert_int_equal(unlink(path), 0); /* only the descriptor keeps the inode in use */
        if (successor)
            assert_int_equal(close(bind_at(path)), 0);
        else
            put_file(path);
        ipc_path_remove(&taken);
        assert_int_equal(type_of(path), successor ? S_IFSOCK : S_IFREG);
        assert_int_equal(unlink(path), 0);
    }
}

static void
test_replaced_at_the_last_moment(void **state)
{
    (void)state;
    struct ipc_path taken;
    int fd = bind_at(path);
    assert_int_equal(ipc_path_take(&taken, url), 0);
    replace = true;
    ipc_path_remove(&taken);
    assert_false(replace);
    assert_int_equal(type_of(path), S_IFREG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(close(fd), 0);
}

static void
test_released(void **state)
{
    (void)state;
    struct ipc_path taken;
    int fd = bind_at(path);
    assert_int_equal(ipc_path_take(&taken, url), 0);
    ipc_path_release(&taken);
    ipc_path_remove(&taken);
    assert_int_equal(type_of(path), S_IFSOCK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(close(fd), 0);
}

static void
test_no_socket(void **state)
{
    (void)state;
    struct ipc_path taken = {.path = "untouched"};
    assert_fails(ipc_path_take(&taken, url), ENOENT);
    put_file(path);
    assert_fails(ipc_path_take(&taken, url), EEXIST);
    assert_int_equal(unlink(path), 0);
    int fd = bind_at(other);
    assert_int_equal(symlink(other, path), 0);
    assert_fails(ipc_path_take(&taken, url), EEXIST);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(close(fd), 0);
    char longer[256] = "ipc:///tmp/";
    memset(longer + 11, 'x', ADDRESS_PATH_MAX);
    assert_fails(ipc_path_take(&taken, longer), ENAMETOOLONG);
    assert_string_equal(taken.path, "untouched");
}

static void
test_no_path(void **state)
{
    (void)state;
    struct ipc_path taken = {.path = "overwritten"};
    assert_int_equal(ipc_path_take(&taken, "tcp://127.0.0.1:5555"), 0);
    ipc_path_remove(&taken);
    ipc_path_release(&taken);
    assert_true(fcntl(0, F_GETFD) >= 0); /* not closed for a descriptor of zero */
}

static int
make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(url, sizeof(url), "ipc://%s/socket", folder);
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    return 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if anything is left behind */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_path),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_replaced_at_the_last_moment),
        cmocka_unit_test(test_released),
        cmocka_unit_test(test_no_socket),
        cmocka_unit_test(test_no_path),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* Sockets at an address: which ipc paths a server takes over, and which connections are none. */
#include "unit.h"

#include "endpoint.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char folder[] = "/tmp/unit-endpoint-XXXXXX";
static char url[64], *name = url + 6;

static struct sockaddr_any address;
static struct ipc_path path;

/* With what a datagram socket cannot be made, or cannot connect; 0: it can. */
static int socket_errno, connect_errno;

int
socket(int domain, int type, int protocol)
{
    errno = socket_errno;
    if (socket_errno != 0 && (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_DGRAM)
        return -1;
    return (int)syscall(SYS_socket, domain, type, protocol);
}

int
connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
    errno = connect_errno;
    if (connect_errno != 0)
        return -1;
    return (int)syscall(SYS_connect, fd, to.__sockaddr__, len);
}

static ino_t
inode(void)
{
    struct stat status;
    return lstat(name, &status) < 0 ? 0 : status.st_ino;
}

static int
bind_there(int type)
{
    int fd = socket(AF_UNIX, type, 0);
    assert_int_equal(sockaddr_parse(&address, url), 0);
    assert_int_equal(bind(fd, &address.any, address.len), 0);
    return fd;
}

/* Nobody listens at the path, and it stays as it is. */
static void
assert_refused(void)
{
    ino_t before = inode();
    assert_fails(endpoint_listen(&address, &path, url), EADDRINUSE);
    assert_int_equal(inode(), before);
}

static void
test_stale_path(void **state)
{
    (void)state;
    const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < LENGTH(types); i++) {
        assert_int_equal(close(bind_there(types[i])), 0);
        int fd = endpoint_listen(&address, &path, url);
        assert_true(fd >= 0);
        bool done;
        int client = endpoint_connect(&address, &done);
        assert_true(client >= 0);
        assert_true(done);
        assert_int_equal(close(client), 0);
        ipc_path_remove(&path);
        assert_int_equal(inode(), 0);
        assert_int_equal(close(fd), 0);
    }
}

static void
test_live_path(void **state)
{
    (void)state;
    const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < LENGTH(types); i++) {
        int fd = bind_there(types[i]);
        assert_refused(); /* bound, though it does not listen yet */
        assert_int_equal(close(fd), 0);
        assert_int_equal(unlink(name), 0);
    }
}

static void
test_full_backlog(void **state)
{
    (void)state;
    int fd = bind_there(SOCK_STREAM), clients[16], count = 0;
    bool done;
    assert_int_equal(listen(fd, 0), 0);
    while ((clients[count] = endpoint_connect(&address, &done)) >= 0)
        assert_in_range(++count, 1, 15);
    assert_int_equal(errno, EAGAIN); /* a server that is alive, but busy */
    assert_refused();
    while (count > 0)
        assert_int_equal(close(clients[--count]), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(name), 0);
}

/* Whatever else prevents the question, the path is not taken for a stale one. */
static void
test_path_of_which_nothing_is_known(void **state)
{
    (void)state;
    const int errnums[] = {EAGAIN, EACCES, EPERM, ENOMEM, ENOENT, EPROTOTYPE, EMFILE};
    int fd = bind_there(SOCK_STREAM);
    assert_int_equal(close(fd), 0);
    for (size_t i = 0; i < 2 * LENGTH(errnums); i++) {
        *(i % 2 ? &socket_errno : &connect_errno) = errnums[i / 2];
        assert_refused();
        socket_errno = connect_errno = 0;
    }
    fd = endpoint_listen(&address, &path, url);
    assert_true(fd >= 0);
    ipc_path_remove(&path);
    assert_int_equal(close(fd), 0);
}

static void
test_unnoticed(void **state)
{
    (void)state;
    int fd = bind_there(SOCK_STREAM);
    assert_int_equal(listen(fd, 1), 0);
    assert_refused();
    struct pollfd server = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&server, 1, 0), 0); /* it was not even connected to */
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(name), 0);
}

static void
test_no_socket(void **state)
{
    (void)state;
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_refused();
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(symlink("/nowhere", name), 0);
    assert_refused();
    assert_int_equal(unlink(name), 0);
}

static int
option_of(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, option, &value, &len), 0);
    return value;
}

static void
test_nodelay(void **state)
{
    (void)state;
    const char *const urls[] = {"tcp://127.0.0.1:0", "tcp://[::1]:0"};
    for (size_t i = 0; i < LENGTH(urls); i++) {
        int tcp = endpoint_listen(&address, &path, urls[i]);
        if (tcp < 0 && i == 1)
            continue; /* no IPv6 here */
        assert_int_equal(option_of(tcp, TCP_NODELAY), 0);
        assert_int_equal(endpoint_nodelay(&address, tcp), 0);
        assert_int_equal(option_of(tcp, TCP_NODELAY), 1);
        assert_int_equal(close(tcp), 0);
    }
    int fd = endpoint_listen(&address, &path, url);
    assert_true(fd >= 0);
    assert_int_equal(endpoint_nodelay(&address, fd), 0);
    ipc_path_remove(&path);
    assert_int_equal(close(fd), 0);
}

/* Binds to a free port, connects to that very port, and so to itself. */
static void
test_self(void **state)
{
    (void)state;
    const char *const urls[] = {"tcp://127.0.0.1:0", "tcp://[::1]:0"};
    for (size_t i = 0; i < LENGTH(urls); i++) {
        assert_int_equal(sockaddr_parse(&address, urls[i]), 0);
        int fd = socket(address.any.sa_family, SOCK_STREAM, 0);
        if (fd < 0 || bind(fd, &address.any, address.len) < 0)
            continue; /* no IPv6 here */
        assert_false(endpoint_is_self(fd));
        assert_int_equal(getsockname(fd, &address.any, &address.len), 0);
        assert_int_equal(connect(fd, &address.any, address.len), 0);
        assert_true(endpoint_is_self(fd));
        assert_int_equal(close(fd), 0);
    }
}

/* A client's port may be the server's, at another address. */
static void
test_not_self_by_the_port_alone(void **state)
{
    (void)state;
    int server = endpoint_listen(&address, &path, "tcp://127.0.0.1:0");
    assert_true(server >= 0);
    assert_int_equal(getsockname(server, &address.any, &address.len), 0);
    struct sockaddr_any other = address;
    other.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(client, &other.any, other.len), 0);
    assert_int_equal(connect(client, &address.any, address.len), 0);
    assert_false(endpoint_is_self(client));
    assert_int_equal(close(client), 0);
    assert_int_equal(close(server), 0);
}

static void
test_not_self(void **state)
{
    (void)state;
    const char *const urls[] = {"tcp://127.0.0.1:0", url};
    for (size_t i = 0; i < LENGTH(urls); i++) {
        bool done;
        int server = endpoint_listen(&address, &path, urls[i]);
        assert_true(server >= 0);
        assert_int_equal(getsockname(server, &address.any, &address.len), 0);
        int client = endpoint_connect(&address, &done);
        struct pollfd waits = {.fd = server, .events = POLLIN};
        assert_true(client >= 0);
        assert_int_equal(poll(&waits, 1, 5000), 1);
        assert_false(endpoint_is_self(client));
        assert_int_equal(close(client), 0);
        ipc_path_remove(&path);
        assert_int_equal(close(server), 0);
    }
    int fds[2]; /* neither has a name, and yet they are two */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_false(endpoint_is_self(fds[0]));
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(close(fds[1]), 0);
}

static int
make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(url, sizeof(url), "ipc://%s/socket", folder);
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
        cmocka_unit_test(test_stale_path),
        cmocka_unit_test(test_live_path),
        cmocka_unit_test(test_full_backlog),
        cmocka_unit_test(test_path_of_which_nothing_is_known),
        cmocka_unit_test(test_unnoticed),
        cmocka_unit_test(test_no_socket),
        cmocka_unit_test(test_nodelay),
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_not_self_by_the_port_alone),
        cmocka_unit_test(test_not_self),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* URL to sockaddr: each form, byte for byte, and what is refused. */
#include "unit.h"

#include "sockaddr.h"

#include <arpa/inet.h>

#define PATH107 "/tmp/" LETTERS51 LETTERS51
#define LETTERS51 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"

static void
test_ipv4(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        uint32_t host;
        uint16_t port;
    } examples[] = {
        {"tcp://127.0.0.1:5555", 0x7f000001, 5555},
        {"tcp://1.2.3.4:1", 0x01020304, 1},
        {"tcp://255.255.255.255:65535", 0xffffffff, 65535},
        {"tcp://127.0.0.1:0", 0x7f000001, 0}, /* to bind: a free one */
        {"tcp://127.0.0.1:00080", 0x7f000001, 80},
        {"tcp://*:258", 0, 258},
    };
    for (size_t i = 0; i < LENGTH(examples); i++) {
        struct sockaddr_any address;
        memset(&address, 0xa5, sizeof(address));
        assert_int_equal(sockaddr_parse(&address, examples[i].url), 0);
        assert_int_equal(address.len, sizeof(struct sockaddr_in));
        assert_int_equal(address.any.sa_family, AF_INET);
        assert_int_equal(address.in.sin_addr.s_addr, htonl(examples[i].host));
        assert_int_equal(address.in.sin_port, htons(examples[i].port));
    }
}

static void
test_ipv6(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        unsigned char host[16];
        uint16_t port;
    } examples[] = {
        {"tcp://[::]:5555", {0}, 5555},
        {"tcp://[::1]:0", {[15] = 1}, 0},
        {"tcp://[FE80::1:2]:65535", {0xfe, 0x80, [13] = 1, [15] = 2}, 65535},
        {"tcp://[::ffff:255.255.255.255]:1", {[10] = 255, 255, 255, 255, 255, 255}, 1},
        {"tcp://[1111:2222:3333:4444:5555:6666:255.255.255.255]:1",
            {0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66, 255, 255, 255,
                255},
            1},
    };
    for (size_t i = 0; i < LENGTH(examples); i++) {
        struct sockaddr_any address;
        memset(&address, 0xa5, sizeof(address));
        assert_int_equal(sockaddr_parse(&address, examples[i].url), 0);
        assert_int_equal(address.len, sizeof(struct sockaddr_in6));
        assert_int_equal(address.any.sa_family, AF_INET6);
        assert_memory_equal(&address.in6.sin6_addr, examples[i].host, 16);
        assert_int_equal(address.in6.sin6_port, htons(examples[i].port));
        assert_int_equal(address.in6.sin6_scope_id, 0);
        assert_int_equal(address.in6.sin6_flowinfo, 0);
    }
}

static void
test_path(void **state)
{
    (void)state;
    static const char *const paths[] = {"/a", "/no such folder/:5", PATH107};
    for (size_t i = 0; i < LENGTH(paths); i++) {
        struct sockaddr_any address;
        char url[128] = "ipc://";
        memset(&address, 0xa5, sizeof(address));
        assert_int_equal(sockaddr_parse(&address, strcat(url, paths[i])), 0);
        assert_int_equal(address.len, sizeof(struct sockaddr_un));
        assert_int_equal(address.any.sa_family, AF_UNIX);
        assert_string_equal(address.un.sun_path, paths[i]);
    }
}

static void
test_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {"", "tcp:", "tcp://", "TCP://127.0.0.1:1", "inproc://a",
        "127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:1", "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:4294967297", "tcp://127.0.0.1:000080", "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:+1", "tcp://127.0.0.1: 1", "tcp://127.0.0.1:1 ", "tcp://127.0.0.1:22a",
        "tcp://127.0.0.1:*", "tcp://localhost:1", "tcp://127.1:1", "tcp://**:1", "tcp://[*]:1",
        "tcp://[]:1", "tcp://[:1", "tcp://[::1:1", "tcp://::1:1", "tcp://[::1]", "tcp://[::1%lo]:1",
        "tcp://[127.0.0.1]:1", "tcp://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1",
        "ipc://", "ipc://relative", "ipc://" PATH107 "z"};
    struct sockaddr_any address, before;
    memset(&before, 0xa5, sizeof(before));
    for (size_t i = 0; i < LENGTH(refused); i++) {
        char *url = exact_copy(refused[i], strlen(refused[i]) + 1);
        address = before;
        assert_fails(sockaddr_parse(&address, url), EINVAL);
        assert_memory_equal(&address, &before, sizeof(address));
        free(url);
    }
}

static void
test_streams_and_datagrams(void **state)
{
    (void)state;
    struct sockaddr_any stream, datagram;
    assert_fails(sockaddr_parse(&stream, "udp://127.0.0.1:1"), EPROTONOSUPPORT);
    assert_fails(sockaddr_parse_datagram(&datagram, "tcp://127.0.0.1:1"), EPROTONOSUPPORT);
    assert_fails(sockaddr_parse_datagram(&datagram, "udp://127.0.0.1"), EINVAL);
    static const char *const urls[][2] = {{"tcp://127.0.0.1:5555", "udp://127.0.0.1:5555"},
        {"tcp://[::1]:5555", "udp://[::1]:5555"}, {"ipc:///tmp/a", "ipc:///tmp/a"}};
    for (size_t i = 0; i < LENGTH(urls); i++) {
        assert_int_equal(sockaddr_parse(&stream, urls[i][0]), 0);
        assert_int_equal(sockaddr_parse_datagram(&datagram, urls[i][1]), 0);
        assert_int_equal(stream.len, datagram.len);
        assert_memory_equal(&stream.any, &datagram.any, stream.len);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_streams_and_datagrams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The address check: every accepted form, and every refused one with its errno and sentence. */
#include "unit.h"

#include "address.h"
#include "sockaddr.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define P107 "/tmp/" P51 P51
#define P51 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"

static char folder[] = "/tmp/unit-address-XXXXXX";

static void
test_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *url, *literal;
        bool bind_only;
    } accepted[] = {
        {"tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555", false},
        {"tcp://0.0.0.0:1", "tcp://0.0.0.0:1", false},
        {"tcp://255.255.255.255:65535", "tcp://255.255.255.255:65535", false},
        {"tcp://127.0.0.1:00080", "tcp://127.0.0.1:80", false},
        {"tcp://[::1]:5555", "tcp://[::1]:5555", false},
        {"tcp://[::]:5555", "tcp://[::]:5555", false},
        {"tcp://[0:0:0:0:0:0:0:1]:5555", "tcp://[::1]:5555", false},
        {"tcp://[FE80::1]:5555", "tcp://[fe80::1]:5555", false},
        {"tcp://[::ffff:255.255.255.255]:65535", "tcp://[::ffff:255.255.255.255]:65535", false},
        {"tcp://[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
            "tcp://[1111:2222:3333:4444:5555:6666:7777:8888]:65535", false},
        {"tcp://*:5555", "tcp://*:5555", true},
        {"ipc:///tmp/no-such-socket", "ipc:///tmp/no-such-socket", false},
        {"ipc:///no such folder/:5", "ipc:///no such folder/:5", false},
        {"ipc://" P107, "ipc://" P107, false},
    };
    assert_int_equal(strlen(P107), ADDRESS_PATH_MAX);
    for (size_t i = 0; i < LENGTH(accepted); i++) {
        char literal[ADDRESS_MAX] = "";
        const char *why = NULL;
        assert_int_equal(address_check(literal, accepted[i].url, true, &why), 0);
        assert_string_equal(literal, accepted[i].literal);
        struct sockaddr_any address; /* what is accepted, the panels can use */
        assert_int_equal(sockaddr_parse(&address, literal), 0);
        int result = address_check(literal, accepted[i].url, false, &why);
        assert_int_equal(result, accepted[i].bind_only ? -1 : 0);
    }
}

static void
test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *url, *word; /* what the sentence is about */
    } refused[] = {
        {"", "address"},
        {"127.0.0.1:5555", "address"},
        {"udp:/127.0.0.1:5555", "address"},
        {"udp://127.0.0.1", "udp://HOST:PORT"},
        {"udp://::1:5555", "udp://["},
        {"TCP://127.0.0.1:5555", "address"},
        {" tcp://127.0.0.1:5555", "address"},
        {"tcp:/127.0.0.1:5555", "address"},
        {"inproc://a", "address"},
        {"tcp://", "port"},
        {"tcp://127.0.0.1", "port"},
        {"tcp://127.0.0.1:", "port"},
        {"tcp://127.0.0.1:0", "1 to 65535"},
        {"tcp://127.0.0.1:65536", "1 to 65535"},
        {"tcp://127.0.0.1:99999", "1 to 65535"},
        {"tcp://127.0.0.1:4294967376", "1 to 65535"},
        {"tcp://127.0.0.1:-1", "1 to 65535"},
        {"tcp://127.0.0.1:+80", "1 to 65535"},
        {"tcp://127.0.0.1: 80", "1 to 65535"},
        {"tcp://127.0.0.1:80 ", "1 to 65535"},
        {"tcp://127.0.0.1:22a", "1 to 65535"},
        {"tcp://127.0.0.1:0x50", "1 to 65535"},
        {"tcp://127.0.0.1:80/", "1 to 65535"},
        {"tcp://127.0.0.1:*", "1 to 65535"},
        {"tcp://[::1]", "1 to 65535"},
        {"tcp://:5555", "host"},
        {"tcp://::1:5555", "brackets"},
        {"tcp://1:2:5555", "brackets"},
        {"tcp://[:5555", "]"},
        {"tcp://[::1:5555", "]"},
        {"tcp://[::1]5:5555", "]"},
        {"tcp://[]:5555", "IPv6"},
        {"tcp://[127.0.0.1]:5555", "IPv6"},
        {"tcp://[::g]:5555", "IPv6"},
        {"tcp://[::1%lo]:5555", "IPv6"},
        {"tcp://a b:5555", "host name"},
        {"tcp://user@localhost:5555", "host name"},
        {"tcp://localhost/x:5555", "host name"},
        {"tcp://eth0;127.0.0.1:5555", "host name"},
        {"tcp://**:5555", "host name"},
        {"ipc://", "absolute"},
        {"ipc://relative", "absolute"},
        {"ipc://./relative", "absolute"},
        {"ipc://" P107 "z", "108"},
    };
    for (int bind = 0; bind < 2; bind++) {
        for (size_t i = 0; i < LENGTH(refused); i++) {
            char literal[ADDRESS_MAX] = "untouched";
            const char *why = NULL;
            assert_fails(address_check(literal, refused[i].url, bind, &why), EINVAL);
            assert_non_null(why);
            assert_non_null(strstr(why, refused[i].word));
            assert_null(strchr(why, '\n'));
            assert_string_equal(literal, "untouched");
        }
    }
}

static void
test_a_star_is_to_bind(void **state)
{
    (void)state;
    char literal[ADDRESS_MAX];
    const char *why;
    assert_fails(address_check(literal, "tcp://*:5555", false, &why), EINVAL);
    assert_non_null(strstr(why, "tcp://127.0.0.1:5555"));
}

static void
test_long_hosts(void **state)
{
    (void)state;
    char url[400], literal[ADDRESS_MAX];
    const char *why;
    /* 256 bytes are too many; 255 are not, but a bracket must close */
    (void)snprintf(url, sizeof(url), "tcp://[%0255d:5555", 0);
    assert_fails(address_check(literal, url, true, &why), EINVAL);
    assert_non_null(strstr(why, "too long a host"));
    (void)snprintf(url, sizeof(url), "tcp://[%0254d:5555", 0);
    assert_fails(address_check(literal, url, true, &why), EINVAL);
    assert_non_null(strstr(why, "]"));
    (void)snprintf(url, sizeof(url), "tcp://h:%0380d", 80);
    assert_fails(address_check(literal, url, true, &why), EINVAL);
}

/* The resolver: what it says of a name with IPv4, with IPv6, and of an address. 0: it is there. */
static int answers[2], name_answer;

int
getaddrinfo(
    const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    static struct sockaddr_any found[2];
    static struct addrinfo info;
    bool six = hints->ai_family == AF_INET6;
    char literal[ADDRESS_MAX];
    assert_null(service);
    assert_int_equal(hints->ai_socktype, SOCK_STREAM);
    assert_string_equal(host, "host.unit");
    if (answers[six] != 0)
        return answers[six];
    (void)snprintf(literal, sizeof(literal), "tcp://%s:1", six ? "[::1]" : "127.0.0.1");
    assert_int_equal(sockaddr_parse(&found[six], literal), 0);
    info = (struct addrinfo){.ai_addr = &found[six].any, .ai_addrlen = found[six].len};
    *ret = &info;
    return 0;
}

void
freeaddrinfo(struct addrinfo *found)
{
    assert_non_null(found);
}

int
getnameinfo(const struct sockaddr *address, socklen_t len, char *host, socklen_t host_len,
    char *service, socklen_t service_len, int flags)
{
    (void)len;
    (void)service;
    (void)service_len;
    assert_int_equal(flags, NI_NUMERICHOST);
    if (name_answer != 0)
        return name_answer;
    (void)snprintf(host, host_len, "%s", address->sa_family == AF_INET6 ? "::1" : "127.0.0.1");
    return 0;
}

static void
test_what_the_resolver_says(void **state)
{
    (void)state;
    static const struct {
        int four, six, name;
        int errnum;
        const char *literal; /* or the words */
    } cases[] = {
        {0, 0, 0, 0, "tcp://127.0.0.1:5"},
        {EAI_NONAME, 0, 0, 0, "tcp://[::1]:5"},
        {EAI_AGAIN, 0, 0, 0, "tcp://[::1]:5"},
        {EAI_NONAME, EAI_NONAME, 0, ENOENT, "Name or service not known"},
        {EAI_AGAIN, EAI_NONAME, 0, EAGAIN, "Temporary failure in name resolution"},
        {EAI_NONAME, EAI_AGAIN, 0, EAGAIN, "Temporary failure in name resolution"},
        {EAI_NONAME, EAI_FAIL, 0, ENOENT, "Non-recoverable failure in name resolution"},
        {0, 0, EAI_FAIL, ENOENT, "Non-recoverable failure in name resolution"},
        {0, EAI_NONAME, EAI_AGAIN, EAGAIN, "Temporary failure in name resolution"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char literal[ADDRESS_MAX];
        const char *why = "";
        answers[0] = cases[i].four;
        answers[1] = cases[i].six;
        name_answer = cases[i].name;
        int result = address_check(literal, "tcp://host.unit:5", false, &why);
        if (cases[i].errnum == 0) {
            assert_int_equal(result, 0);
            assert_string_equal(literal, cases[i].literal);
            continue;
        }
        assert_int_equal(errno, cases[i].errnum);
        assert_int_equal(result, -1);
        assert_non_null(strstr(why, "host.unit: "));
        assert_non_null(strstr(why, cases[i].literal));
    }
    answers[0] = answers[1] = name_answer = 0;
}

/* What is at the path matters to who binds, and to nobody else; it stays there. */
static void
check_path(const char *path, bool may_bind)
{
    char url[ADDRESS_MAX], literal[ADDRESS_MAX];
    const char *why = NULL;
    struct stat status;
    (void)snprintf(url, sizeof(url), "ipc://%s", path);
    assert_int_equal(address_check(literal, url, false, &why), 0);
    assert_string_equal(literal, url);
    if (may_bind) {
        assert_int_equal(address_check(literal, url, true, &why), 0);
    } else {
        assert_fails(address_check(literal, url, true, &why), EEXIST);
        assert_non_null(strstr(why, "not a socket"));
    }
    assert_int_equal(lstat(path, &status), 0);
}

static void
test_what_is_at_the_path(void **state)
{
    (void)state;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/file", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    check_path(path, false);

    char link[64];
    (void)snprintf(link, sizeof(link), "%s/link", folder);
    assert_int_equal(symlink(path, link), 0);
    check_path(link, false);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(unlink(path), 0);

    check_path(folder, false);

    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s/socket", folder);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    check_path(name.sun_path, true);
    assert_int_equal(close(fd), 0);
    check_path(name.sun_path, true); /* stale: the panel replaces it */
    assert_int_equal(unlink(name.sun_path), 0);
}

static int
make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_a_star_is_to_bind),
        cmocka_unit_test(test_long_hosts),
        cmocka_unit_test(test_what_the_resolver_says),
        cmocka_unit_test(test_what_is_at_the_path),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* The dialer: how long it waits before the next attempt, and what it takes for a connection. */
#include "unit.h"

#include "clock.h"
#include "dialer.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SHORTEST_MS = 10, /* of the longest wait before an attempt */
    LONGEST_MS = 200,
    WAITS = 60,
};

static char folder[] = "/tmp/unit-dialer-XXXXXX";
static char ipc[64];
static struct loop loop;
static struct dialer dialer;
static int greetings, greeting_result;

/* If this is set, a socket that connects is first bound to the address that it connects to. */
static bool to_itself;

int
connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
    if (to_itself)
        assert_int_equal(bind(fd, address, len), 0);
    return (int)syscall(SYS_connect, fd, address.__sockaddr__, len);
}

static int
setup(void **state)
{
    (void)state;
    greetings = greeting_result = 0;
    to_itself = false;
    return loop_open(&loop);
}

static int
teardown(void **state)
{
    (void)state;
    dialer_close(&dialer);
    loop_close(&loop);
    return 0;
}

static int
on_connected(void *owner)
{
    assert_ptr_equal(owner, &greetings);
    greetings++;
    return greeting_result;
}

static void
dial_to(const char *url)
{
    assert_int_equal(dialer_open(&dialer, &loop, url, on_connected, &greetings), 0);
}

/* Whether the wait that has just begun lies between half of `most` and all of it. */
static void
assert_wait(int64_t begun, int64_t most_ms)
{
    assert_int_equal(dialer.state, DIALER_WAITING);
    assert_true(loop.timer_at >= begun + most_ms * CLOCK_MS / 2);
    assert_true(loop.timer_at <= clock_now() + most_ms * CLOCK_MS);
}

/* Lets the wait be over, without waiting. Returns the time before the attempt. */
static int64_t
attempt(void)
{
    int64_t begun = clock_now();
    loop.timer_at = CLOCK_NEVER;
    loop.timer_due(loop.timer_owner);
    return begun;
}

static void
test_waits_grow_up_to_a_bound(void **state)
{
    (void)state;
    int64_t begun = clock_now();
    dial_to(ipc);
    int64_t most = SHORTEST_MS;
    for (int i = 0; i < 20; i++) {
        assert_wait(begun, most);
        begun = attempt();
        most = 2 * most < LONGEST_MS ? 2 * most : LONGEST_MS;
    }
    dialer_reset_backoff(&dialer);
    begun = attempt();
    assert_wait(begun, SHORTEST_MS);
}

/* In each quarter of the second half of the longest wait, some waits end. */
static void
test_waits_are_spread(void **state)
{
    (void)state;
    int quarters[4] = {0};
    dial_to(ipc);
    for (int i = 0; i < 10; i++)
        (void)attempt();
    for (int i = 0; i < WAITS; i++) {
        int64_t begun = attempt();
        int64_t more = loop.timer_at - begun - LONGEST_MS * (int64_t)CLOCK_MS / 2;
        int64_t quarter = more / (LONGEST_MS * (int64_t)CLOCK_MS / 8);
        quarters[quarter < 3 ? quarter : 3]++; /* an attempt takes time as well */
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(quarters[i], 2, WAITS / 2);
}

static void
test_clients_of_one_server_wait_differently(void **state)
{
    (void)state;
    struct dialer others[8];
    int equal = 0;
    dial_to(ipc);
    for (size_t i = 0; i < LENGTH(others); i++) {
        assert_int_equal(dialer_open(&others[i], &loop, ipc, NULL, NULL), 0);
        equal += others[i].random == dialer.random;
        dialer_close(&others[i]);
    }
    assert_int_equal(equal, 0);
}

/* A server that accepts and closes is not well: the waits go on growing. */
static void
test_a_connection_alone_does_not_reset(void **state)
{
    (void)state;
    struct sockaddr_any address;
    struct ipc_path path;
    int server = endpoint_listen(&address, &path, ipc);
    assert_true(server >= 0);
    dial_to(ipc);
    for (int64_t most = SHORTEST_MS; most <= 80; most *= 2) {
        assert_int_equal(dialer.state, DIALER_CONNECTED);
        assert_int_equal(loop.timer_at, CLOCK_NEVER);
        int64_t begun = clock_now();
        dialer_reconnect(&dialer);
        assert_wait(begun, most);
        (void)attempt();
    }
    assert_int_equal(greetings, 5);
    ipc_path_remove(&path);
    assert_int_equal(close(server), 0);
}

static void
test_a_connection_may_be_given_up(void **state)
{
    (void)state;
    struct sockaddr_any address;
    struct ipc_path path;
    int server = endpoint_listen(&address, &path, ipc);
    int64_t begun = clock_now();
    greeting_result = -1;
    dial_to(ipc);
    assert_int_equal(greetings, 1);
    assert_int_equal(dialer.conn.source.fd, -1);
    assert_wait(begun, SHORTEST_MS);
    ipc_path_remove(&path);
    assert_int_equal(close(server), 0);
}

/* Over TCP: connects to a listener's port, or to one where nobody listens. */
static void
dial_to_port(bool listens)
{
    struct sockaddr_any address;
    struct ipc_path path;
    char url[64];
    int server = endpoint_listen(&address, &path, "tcp://127.0.0.1:0");
    assert_true(server >= 0);
    assert_int_equal(getsockname(server, &address.any, &address.len), 0);
    (void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", ntohs(address.in.sin_port));
    if (!listens)
        assert_int_equal(close(server), 0);
    dial_to(url);
    int64_t deadline = clock_deadline(5000);
    while (dialer.state == DIALER_CONNECTING)
        assert_int_equal(loop_turn(&loop, deadline), 0);
    if (listens)
        assert_int_equal(close(server), 0);
}

static void
test_small_messages_go_at_once(void **state)
{
    (void)state;
    int on = 0;
    socklen_t len = sizeof(on);
    dial_to_port(true);
    assert_int_equal(dialer.state, DIALER_CONNECTED);
    assert_int_equal(greetings, 1);
    assert_int_equal(getsockopt(dialer.conn.source.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_true(on);
}

static void
test_refused(void **state)
{
    (void)state;
    dial_to_port(false);
    assert_int_equal(dialer.state, DIALER_WAITING);
    assert_int_equal(greetings, 0);
    assert_int_equal(dialer.conn.source.fd, -1);
}

static void
test_connected_to_itself(void **state)
{
    (void)state;
    to_itself = true;
    dial_to_port(false);
    assert_int_equal(dialer.state, DIALER_WAITING);
    assert_int_equal(greetings, 0);
    assert_int_equal(dialer.conn.source.fd, -1);
}

#define DIALER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DIALER_TEST(test_waits_grow_up_to_a_bound),
        DIALER_TEST(test_waits_are_spread),
        DIALER_TEST(test_clients_of_one_server_wait_differently),
        DIALER_TEST(test_a_connection_alone_does_not_reset),
        DIALER_TEST(test_a_connection_may_be_given_up),
        DIALER_TEST(test_small_messages_go_at_once),
        DIALER_TEST(test_refused),
        DIALER_TEST(test_connected_to_itself),
    };
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(ipc, sizeof(ipc), "ipc://%s/socket", folder);
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) == 0 ? result : 1;
}

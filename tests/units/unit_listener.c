/* The listener without descriptors: it neither spins nor forgets those that wait. */
#include "unit.h"

#include "clock.h"
#include "listener.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CLIENTS = 3,
};

static int accepted;

static void
on_accepted(void *owner, int fd)
{
    (void)owner;
    assert_int_equal(close(fd), 0);
    accepted++;
}

static void
test_out_of_descriptors(void **state)
{
    (void)state;
    struct loop loop;
    struct listener listener;
    int clients[CLIENTS];
    char folder[] = "/tmp/unit-listener-XXXXXX", url[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(url, sizeof(url), "ipc://%s/socket", folder);
    assert_int_equal(loop_open(&loop), 0);
    assert_int_equal(listener_open(&listener, &loop, url, on_accepted, NULL), 0);
    for (int i = 0; i < CLIENTS; i++) {
        bool done;
        clients[i] = endpoint_connect(&listener.address, &done);
        assert_true(clients[i] >= 0);
    }

    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0; /* those open stay open */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int64_t deadline = clock_deadline(250);
    int turns = 0;
    while (loop_turn(&loop, deadline) == 0)
        turns++;
    assert_int_equal(accepted, 0);
    assert_in_range(turns, 1, 30);

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    deadline = clock_deadline(5000);
    while (accepted < CLIENTS)
        assert_int_equal(loop_turn(&loop, deadline), 0);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(close(clients[i]), 0);
    listener_close(&listener);
    loop_close(&loop);
    assert_int_equal(rmdir(folder), 0); /* the path is gone */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

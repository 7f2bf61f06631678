/* The loop: who is called, when a wait ends, and what is removed while others are called. */
#include "unit.h"

#include "clock.h"
#include "interrupt.h"
#include "loop.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    ENDS = 3, /* descriptors watched in a test */
    LONG_MS = 10000, /* longer than any test */
};

/* One end of a pair, watched; what its callback is to do, and what it saw. */
struct end {
    struct source source;
    int other;
    int calls;
    uint32_t events;
    struct end *remove;
};

static struct loop loop;
static struct end ends[ENDS];
static int due_calls;

static void
on_ready(void *owner, uint32_t events)
{
    struct end *end = owner;
    end->calls++;
    end->events = events;
    if (end->remove) {
        loop_remove(&loop, &end->remove->source);
        end->remove = NULL;
    }
}

static void
on_due(void *owner)
{
    assert_ptr_equal(owner, &due_calls);
    due_calls++;
}

static int
setup(void **state)
{
    (void)state;
    due_calls = 0;
    if (loop_open(&loop) < 0)
        return -1;
    for (int i = 0; i < ENDS; i++) {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
            return -1;
        ends[i] = (struct end){
            .source = {.fd = fds[0], .events = EPOLLIN, .ready = on_ready, .owner = &ends[i]},
            .other = fds[1],
        };
        if (loop_add(&loop, &ends[i].source) < 0)
            return -1;
    }
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    for (int i = 0; i < ENDS; i++) {
        (void)close(ends[i].source.fd);
        (void)close(ends[i].other);
    }
    loop_close(&loop);
    return 0;
}

static void
poke(int i)
{
    assert_int_equal(write(ends[i].other, "x", 1), 1);
}

static void
drain(int i)
{
    char byte;
    assert_int_equal(read(ends[i].source.fd, &byte, 1), 1);
}

static void
test_nothing_ready(void **state)
{
    (void)state;
    assert_fails(loop_turn(&loop, LOOP_NOW), ETIMEDOUT);
    int64_t deadline = clock_deadline(20);
    int result;
    do
        result = loop_turn(&loop, deadline);
    while (result == 0); /* it may return sooner */
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(clock_now() >= deadline);
    assert_fails(loop_turn(&loop, deadline), ETIMEDOUT); /* it has passed */
    assert_int_equal(ends[0].calls + ends[1].calls + ends[2].calls, 0);
}

/* Though something is ready at every turn, so that no turn waits. */
static void
test_an_interrupt_ends_work_without_end(void **state)
{
    (void)state;
    poke(0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(loop_turn(&loop, CLOCK_NEVER), 0);
    interrupt();
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0); /* a turn that never waits */
    assert_fails(loop_turn(&loop, CLOCK_NEVER), EINTR);
    assert_int_equal(loop_turn(&loop, CLOCK_NEVER), 0); /* once each */
    interrupt();
    assert_fails(loop_turn(&loop, clock_deadline(LONG_MS)), EINTR);
    interrupt();
    assert_fails(loop_turn(&loop, clock_now()), ETIMEDOUT);
    assert_fails(loop_turn(&loop, CLOCK_NEVER), EINTR);
    assert_int_equal(ends[0].calls, 5);
}

/* A deadline does not wait until nothing is ready. */
static void
test_a_deadline_ends_work_without_end(void **state)
{
    (void)state;
    poke(0);
    int64_t deadline = clock_deadline(20);
    while (loop_turn(&loop, deadline) == 0)
        assert_true(clock_now() < deadline + CLOCK_S);
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(clock_now() >= deadline);
}

/* A turn of somebody who has more to do does not wait. */
static void
test_unfinished_work(void **state)
{
    (void)state;
    loop.unfinished = true;
    int64_t start = clock_now();
    assert_int_equal(loop_turn(&loop, CLOCK_NEVER), 0);
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0);
    assert_int_equal(loop_turn(&loop, clock_deadline(LONG_MS)), 0);
    assert_true(clock_now() < start + LONG_MS * (int64_t)CLOCK_MS / 2);
    assert_fails(loop_turn(&loop, clock_now()), ETIMEDOUT);
    interrupt();
    assert_fails(loop_turn(&loop, CLOCK_NEVER), EINTR);
    loop.unfinished = false;
    assert_fails(loop_turn(&loop, LOOP_NOW), ETIMEDOUT);
}

static void
test_those_ready_are_called(void **state)
{
    (void)state;
    poke(1);
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0);
    assert_int_equal(ends[1].calls, 1);
    assert_int_equal(ends[1].events, EPOLLIN);
    assert_int_equal(ends[0].calls + ends[2].calls, 0);
    /* Level-triggered: what is left unread is told again. */
    assert_int_equal(loop_turn(&loop, clock_deadline(LONG_MS)), 0);
    assert_int_equal(ends[1].calls, 2);
    poke(0);
    poke(2);
    assert_int_equal(loop_turn(&loop, CLOCK_NEVER), 0);
    for (int i = 0; i < ENDS; i++)
        assert_int_equal(ends[i].calls, i == 1 ? 3 : 1);
}

static void
test_what_is_waited_for_changes(void **state)
{
    (void)state;
    poke(0);
    loop_change(&loop, &ends[0].source, 0);
    assert_fails(loop_turn(&loop, LOOP_NOW), ETIMEDOUT);
    loop_change(&loop, &ends[0].source, EPOLLOUT);
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0);
    assert_int_equal(ends[0].events, EPOLLOUT);
    loop_change(&loop, &ends[0].source, EPOLLIN);
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0);
    assert_int_equal(ends[0].events, EPOLLIN);
}

/* Of two that are ready the first called removes the second, which may be freed by then. */
static void
test_removed_by_another(void **state)
{
    (void)state;
    for (int i = 0; i < ENDS; i++)
        poke(i);
    ends[0].remove = &ends[1];
    ends[1].remove = &ends[0];
    ends[2].remove = NULL;
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0);
    assert_int_equal(ends[0].calls + ends[1].calls, 1);
    assert_int_equal(ends[2].calls, 1);
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0);
    assert_int_equal(ends[0].calls + ends[1].calls, 2); /* still the same one */
    assert_true(ends[0].calls == 0 || ends[1].calls == 0);
}

static void
test_removed_by_itself(void **state)
{
    (void)state;
    poke(0);
    ends[0].remove = &ends[0];
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0);
    assert_fails(loop_turn(&loop, LOOP_NOW), ETIMEDOUT);
    assert_int_equal(ends[0].calls, 1);
    assert_int_equal(loop_add(&loop, &ends[0].source), 0);
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0);
    assert_int_equal(ends[0].calls, 2);
}

static void
test_the_timer_comes_once(void **state)
{
    (void)state;
    int64_t at = clock_deadline(10);
    loop_timer(&loop, at, on_due, &due_calls);
    assert_fails(loop_turn(&loop, LOOP_NOW), ETIMEDOUT);
    while (due_calls == 0)
        assert_int_equal(loop_turn(&loop, clock_deadline(LONG_MS)), 0);
    assert_true(clock_now() >= at);
    assert_true(clock_now() < at + CLOCK_S);
    int64_t deadline = clock_deadline(15);
    while (loop_turn(&loop, deadline) == 0)
        ;
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(due_calls, 1);
}

static void
test_a_timer_that_is_due_already(void **state)
{
    (void)state;
    loop_timer(&loop, clock_now() - 1, on_due, &due_calls);
    assert_int_equal(loop_turn(&loop, LOOP_NOW), 0);
    assert_int_equal(due_calls, 1);
    loop_timer(&loop, clock_now() - 1, on_due, &due_calls);
    poke(0);
    assert_int_equal(loop_turn(&loop, CLOCK_NEVER), 0);
    assert_int_equal(due_calls, 2); /* though something was ready */
    assert_int_equal(ends[0].calls, 1);
}

static void
test_a_deadline_before_the_timer(void **state)
{
    (void)state;
    loop_timer(&loop, clock_deadline(LONG_MS), on_due, &due_calls);
    int64_t deadline = clock_deadline(10);
    while (loop_turn(&loop, deadline) == 0)
        ;
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(clock_now() < deadline + CLOCK_S);
    assert_int_equal(due_calls, 0);
    loop_timer(&loop, clock_deadline(5), on_due, &due_calls); /* replaces it */
    while (due_calls == 0)
        assert_int_equal(loop_turn(&loop, CLOCK_NEVER), 0);
    assert_int_equal(due_calls, 1);
}

static void
test_deadlines_far_away(void **state)
{
    (void)state;
    int64_t start = clock_now();
    int64_t near = start + 220 * (int64_t)CLOCK_MS;
    int64_t far = start + 500 * (int64_t)CLOCK_MS;
    poke(0);
    assert_int_equal(loop_turn(&loop, near), 0); /* returns at once */
    assert_true(clock_now() < near);
    drain(0);
    int turns = 0;
    while (loop_turn(&loop, far) == 0)
        turns++;
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(clock_now() >= far && clock_now() < far + CLOCK_S);
    assert_in_range(turns, 1, 3); /* it does not spin */
    assert_int_equal(ends[0].calls, 1);
    /* It can be set again, for an earlier time, too. */
    far = clock_deadline(LONG_MS);
    poke(1);
    assert_int_equal(loop_turn(&loop, far), 0);
    drain(1);
    loop_timer(&loop, clock_deadline(250), on_due, &due_calls);
    while (due_calls == 0)
        assert_int_equal(loop_turn(&loop, far), 0);
    assert_true(clock_now() < far);
}

static void
on_alarm(int number)
{
    (void)number;
}

/* One signal ends every kind of wait, whatever sigaction said of restarting. */
static void
test_a_signal_ends_the_wait(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval once = {.it_value.tv_usec = 200000, .it_interval.tv_sec = 5}, off = {0};
    int64_t deadlines[] = {clock_deadline(2 * LONG_MS), CLOCK_NEVER};
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    for (size_t i = 0; i < LENGTH(deadlines); i++) {
        int64_t start = clock_now();
        assert_int_equal(setitimer(ITIMER_REAL, &once, NULL), 0);
        assert_fails(loop_turn(&loop, deadlines[i]), EINTR);
        assert_true(clock_now() - start < 3 * (int64_t)CLOCK_S);
    }
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
}

static void
test_closing_what_was_refused(void **state)
{
    (void)state;
    struct loop refused = {.epoll = -1};
    loop_close(&refused);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_nothing_ready),
        LOOP_TEST(test_an_interrupt_ends_work_without_end),
        LOOP_TEST(test_a_deadline_ends_work_without_end),
        LOOP_TEST(test_unfinished_work),
        LOOP_TEST(test_those_ready_are_called),
        LOOP_TEST(test_what_is_waited_for_changes),
        LOOP_TEST(test_removed_by_another),
        LOOP_TEST(test_removed_by_itself),
        LOOP_TEST(test_the_timer_comes_once),
        LOOP_TEST(test_a_timer_that_is_due_already),
        LOOP_TEST(test_a_deadline_before_the_timer),
        LOOP_TEST(test_deadlines_far_away),
        LOOP_TEST(test_a_signal_ends_the_wait),
        cmocka_unit_test(test_closing_what_was_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

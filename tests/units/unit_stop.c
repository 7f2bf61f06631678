/* A signal to stop: it is seen, and it ends every call that blocks from then on. */
#include "unit.h"

#include "interrupt.h"
#include "stop.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LONG_MS = 5000,
};

/* Whether a call that blocks ends with EINTR, and the count of interrupt.h tells it. */
static bool
is_interrupted(void)
{
    sig_atomic_t seen = interrupts;
    errno = 0;
    return poll(NULL, 0, LONG_MS) < 0 && errno == EINTR && interrupts != seen;
}

/* 0: it does what it should; or where it did not. */
static int
stop_by(int signum)
{
    if (stop_install() < 0 || stop_requested())
        return 1;
    sig_atomic_t seen = interrupts;
    if (poll(NULL, 0, 120) != 0 || interrupts != seen) /* no timer runs yet */
        return 2;
    (void)raise(SIGALRM);
    if (stop_requested() || interrupts == seen)
        return 3;
    seen = interrupts;
    if (signum == 0)
        stop_request();
    else
        (void)raise(signum);
    if (!stop_requested() || interrupts == seen)
        return 4;
    for (int i = 0; i < 3; i++) {
        if (!is_interrupted())
            return 5;
    }
    return stop_requested() ? 0 : 6;
}

static void
test_each_signal(void **state)
{
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, 0};
    for (size_t i = 0; i < LENGTH(signals); i++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(stop_by(signals[i]));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void
test_a_pipe_that_nobody_reads(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(stop_install(), 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_fails((int)write(ends[1], "x", 1), EPIPE);
    assert_int_equal(close(ends[1]), 0);
    assert_false(stop_requested());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_signal),
        cmocka_unit_test(test_a_pipe_that_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

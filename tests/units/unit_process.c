/* What a program asks of its system: its standard streams, its processor, its limits. */
#include "unit.h"

#include "clock.h"
#include "process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs this in a child, whose streams are then its own. */
static void
alone(int (*wrong)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(wrong());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool
is_null(int fd)
{
    struct stat null, it;
    return stat("/dev/null", &null) == 0 && fstat(fd, &it) == 0 && S_ISCHR(it.st_mode) &&
        it.st_rdev == null.st_rdev && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

/* Each is what it was before, a pipe, or /dev/null if it was closed; no other descriptor is new. */
static int
open_all_but(int closed)
{
    int argc = 0;
    char **argv = NULL;
    int ends[2];
    if (pipe(ends) < 0)
        return 1;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)dup2(ends[fd > 0], fd);
    int lowest = dup(ends[0]);
    (void)close(lowest);
    (void)close(closed);
    process_open(&argc, &argv);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (is_null(fd) != (fd == closed))
            return 2;
    }
    return dup(ends[0]) == lowest ? 0 : 3;
}

static int
without_input(void)
{
    return open_all_but(STDIN_FILENO);
}

static int
without_output(void)
{
    return open_all_but(STDOUT_FILENO);
}

static int
without_errors(void)
{
    return open_all_but(STDERR_FILENO);
}

static int
with_all(void)
{
    return open_all_but(-1);
}

static void
test_streams_that_are_closed(void **state)
{
    (void)state;
    alone(without_input);
    alone(without_output);
    alone(without_errors);
    alone(with_all);
}

/* Standard input: nothing yet, something, the end. */
static int
follow_input(void)
{
    int ends[2];
    char byte;
    if (pipe(ends) < 0 || dup2(ends[0], STDIN_FILENO) < 0 || process_input() != 0)
        return 1;
    if (write(ends[1], "x", 1) != 1 || process_input() != 1 || process_read(&byte, 1) != 1)
        return 2;
    if (byte != 'x' || process_input() != 0 || close(ends[1]) < 0 || process_input() != 1)
        return 3;
    return process_read(&byte, 1) == 0 ? 0 : 4;
}

/* Standard output: room, none in time, none that is awaited, and an error that a write will meet.
 */
static int
follow_output(void)
{
    static const int limits[] = {0, 30, 1100};
    static char page[4096];
    int ends[2];
    if (pipe(ends) < 0 || dup2(ends[1], STDOUT_FILENO) < 0)
        return 1;
    if (process_output(0) != 1 || process_output(-1) != 1 || process_output(60000) != 1)
        return 2;
    if (fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0)
        return 3;
    while (write(ends[1], page, sizeof(page)) > 0)
        ;
    for (size_t i = 0; i < LENGTH(limits); i++) {
        int64_t before = clock_now();
        if (process_output(limits[i]) != 0)
            return 4;
        int64_t ms = (clock_now() - before) / CLOCK_MS;
        if (ms < limits[i] || ms > limits[i] + 5000)
            return 5;
    }
    (void)close(STDOUT_FILENO);
    return process_output(-1) == 1 ? 0 : 6;
}

static void
test_streams_that_are_ready(void **state)
{
    (void)state;
    alone(follow_input);
    alone(follow_output);
}

static int
pin(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    unsigned last = 0;
    for (unsigned cpu = 0; cpu <= PROCESS_CPU_MAX; cpu++)
        last = CPU_ISSET(cpu, &set) ? cpu : last;
    if (process_pin(last) < 0 || sched_getaffinity(0, sizeof(set), &set) < 0)
        return 2;
    return CPU_COUNT(&set) == 1 && CPU_ISSET(last, &set) ? 0 : 3;
}

static int
raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1;
    limit.rlim_cur = 64;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 2;
    process_raise_limits();
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur != limit.rlim_max)
        return 3;
    return prctl(PR_GET_TIMERSLACK) == 1 ? 0 : 4;
}

static void
test_processor_and_limits(void **state)
{
    (void)state;
    alone(pin);
    alone(raise_limits);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_that_are_closed),
        cmocka_unit_test(test_streams_that_are_ready),
        cmocka_unit_test(test_processor_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

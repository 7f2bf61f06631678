/* Receiving from ZeroMQ, and waiting for it. The library's functions are those below, which give
 * the parts of the test; descriptors are a pipe's. */
#include "unit.h"

#include "clock.h"
#include "interrupt.h"
#include "notice.h"
#include "waiting.h"

#include <sys/time.h>
#include <unistd.h>

enum {
    MORE = 1000, /* added to the length of a part that another one follows */
    NONE = -1, /* nothing has come: EAGAIN */
};

static int served; /* what the socket's handle points to */
static const int *parts; /* lengths of what comes, one after the other */
static struct {
    bool valid, more;
    size_t len;
} content; /* of the one message */
static int inits;
static char heard[200];

int
zmq_msg_recv(zmq_msg_t *message, void *socket, int flags)
{
    (void)message;
    assert_ptr_equal(socket, &served);
    assert_int_equal(flags, ZMQ_DONTWAIT);
    assert_true(content.valid);
    int len = *parts++;
    if (len == NONE) {
        errno = EAGAIN;
        return -1;
    }
    content.more = len >= MORE;
    content.len = (size_t)(len % MORE);
    return len % MORE;
}

int
zmq_msg_more(const zmq_msg_t *message)
{
    (void)message;
    return content.more;
}

size_t
zmq_msg_size(const zmq_msg_t *message)
{
    (void)message;
    return content.len;
}

int
zmq_msg_close(zmq_msg_t *message)
{
    (void)message;
    assert_true(content.valid);
    content.valid = false;
    return 0;
}

int
zmq_msg_init(zmq_msg_t *message)
{
    (void)message;
    assert_false(content.valid);
    inits++;
    content.valid = true;
    content.more = false;
    content.len = 0;
    return 0;
}

static void
hear(void *owner, const char *text)
{
    (void)owner;
    (void)strncpy(heard, text, sizeof(heard) - 1);
}

/* A message in parts is read to its last one, counted, and empty then. */
static void
test_parts(void **state)
{
    (void)state;
    static const struct {
        int parts[5];
        size_t len;
        const char *says;
    } cases[] = {
        {{7}, 7, ""},
        {{0}, 0, ""},
        {{MORE + 40, MORE, 17, 99}, 0, "in 3 parts, 57 bytes, where one part is expected"},
        {{99}, 99, ""},
    };
    zmq_msg_t message;
    content.valid = false;
    (void)zmq_msg_init(&message);
    notice_to(hear, NULL);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        inits = 0;
        heard[0] = '\0';
        parts = cases[i].parts;
        assert_int_equal(receive(&served, &message), 0);
        assert_int_equal(content.len, cases[i].len);
        assert_int_equal(inits, cases[i].says[0] != '\0');
        assert_non_null(strstr(heard, cases[i].says));
        assert_int_equal(heard[0] != '\0', cases[i].says[0] != '\0');
        assert_int_equal(parts - cases[i].parts, i == 2 ? 3 : 1);
    }
    notice_to(NULL, NULL);
    for (int more = 0; more < 2; more++) {
        static const int none[] = {NONE}, half[] = {MORE + 1, NONE};
        parts = more ? half : none;
        assert_fails(receive(&served, &message), EAGAIN);
    }
}

static void
test_waiting(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct pollfd fds[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    sig_atomic_t seen = interrupts;
    int64_t before = clock_now();
    assert_fails(wait_readable(fds, 1, before + 20 * CLOCK_MS, seen), ETIMEDOUT);
    assert_in_range(clock_now() - before, 20 * CLOCK_MS, 5 * (int64_t)CLOCK_S);
    assert_fails(wait_readable(fds, 1, before, seen), ETIMEDOUT);
    assert_fails(wait_readable(fds, 1, 0, seen), ETIMEDOUT);

    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(wait_readable(fds, 1, clock_now() + 60 * (int64_t)CLOCK_S, seen), 0);
    assert_int_equal(fds[0].revents, POLLIN);
    assert_int_equal(wait_readable(fds, 1, CLOCK_NEVER, seen), 0);
    fds[1].fd = fds[0].fd; /* the second of two */
    fds[0].fd = -1;
    assert_int_equal(wait_readable(fds, 2, clock_now() + 60 * (int64_t)CLOCK_S, seen), 0);
    assert_int_equal(fds[1].revents, POLLIN);
    assert_fails(wait_readable(fds, 1, clock_now() + CLOCK_MS, seen), ETIMEDOUT);

    interrupt(); /* between the look at the count and the wait: it does not begin */
    assert_fails(wait_readable(fds, 2, CLOCK_NEVER, seen), EINTR);
    assert_int_equal(wait_readable(fds, 2, CLOCK_NEVER, interrupts), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

static void
on_alarm(int number)
{
    (void)number;
}

/* A signal that is no stop ends the wait as well. */
static void
test_a_signal(void **state)
{
    (void)state;
    struct pollfd none = {.fd = -1};
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval in_5_ms = {.it_value.tv_usec = 5000, .it_interval.tv_usec = 5000}, off = {0};
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &in_5_ms, NULL), 0);
    assert_fails(wait_readable(&none, 1, CLOCK_NEVER, interrupts), EINTR);
    assert_fails(wait_readable(&none, 1, clock_now() + 60 * (int64_t)CLOCK_S, interrupts), EINTR);
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_a_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

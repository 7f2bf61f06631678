/* Whom zmq-rep and zmq-pub say that they refused, from every order of the library's events. Its
 * functions are those below: they note their call, and give the events of the test. */
#include "unit.h"

#include "notice.h"
#include "refusals.h"

#include <stdio.h>
#include <zmq.h>

enum {
    DESCRIPTOR = 42,
    OTHER = 0xbeef, /* what a handshake violates */
};

struct event {
    uint16_t number;
    uint32_t value;
};

static int context, served, monitor; /* what handles point to */
static char calls[1000];
static const char *failing; /* the call that fails */
static const struct event *events; /* for the monitor; one of number 0 ends them */
static bool address; /* the second part of an event comes next */
static char heard[1000];

static int
called(const char *call)
{
    (void)strncat(calls, call, sizeof(calls) - strlen(calls) - 1);
    (void)strncat(calls, "\n", sizeof(calls) - strlen(calls) - 1);
    return failing && strcmp(failing, call) == 0 ? -1 : 0;
}

void *
zmq_socket(void *ctx, int type)
{
    assert_ptr_equal(ctx, &context);
    assert_int_equal(type, ZMQ_PAIR);
    return called("socket") < 0 ? NULL : &monitor;
}

int
zmq_setsockopt(void *socket, int option, const void *value, size_t len)
{
    assert_ptr_equal(socket, &monitor);
    assert_int_equal(option, ZMQ_RCVHWM);
    assert_int_equal(len, sizeof(int));
    assert_int_equal(*(const int *)value, 0);
    return called("setsockopt");
}

int
zmq_getsockopt(void *socket, int option, void *value, size_t *len)
{
    assert_ptr_equal(socket, &monitor);
    assert_int_equal(option, ZMQ_FD);
    assert_int_equal(*len, sizeof(int));
    *(int *)value = DESCRIPTOR;
    return called("getsockopt");
}

int
zmq_connect(void *socket, const char *url)
{
    assert_ptr_equal(socket, &monitor);
    assert_string_equal(url, "inproc://refusals");
    return called("connect");
}

int
zmq_socket_monitor(void *socket, const char *url, int which)
{
    assert_ptr_equal(socket, &served);
    if (!url)
        return called("end");
    assert_string_equal(url, "inproc://refusals");
    assert_int_equal(which, ZMQ_EVENT_ALL);
    return called("monitor");
}

int
zmq_close(void *socket)
{
    assert_ptr_equal(socket, &monitor);
    return called("close");
}

/* An event has two parts; what does not fit is cut off, and its whole length returned. */
int
zmq_recv(void *socket, void *buf, size_t size, int flags)
{
    assert_ptr_equal(socket, &monitor);
    assert_int_equal(flags, ZMQ_DONTWAIT);
    if (!address && (!events || events->number == 0)) {
        (void)called("recv");
        errno = EAGAIN;
        return -1;
    }
    address = !address;
    if (!address)
        return (int)strlen("tcp://127.0.0.1:5555");
    assert_int_equal(size, 6);
    memcpy(buf, &events->number, 2);
    memcpy((char *)buf + 2, &events->value, 4);
    events++;
    return 6;
}

static void
hear(void *owner, const char *text)
{
    (void)owner;
    (void)strncat(heard, text, sizeof(heard) - strlen(heard) - 1);
    (void)strncat(heard, "\n", sizeof(heard) - strlen(heard) - 1);
}

static int
watch(struct refusals *refusals)
{
    int descriptor = -1;
    *refusals = (struct refusals){0};
    calls[0] = '\0';
    int result = refusals_watch(refusals, &context, &served, &descriptor);
    if (result == 0)
        assert_int_equal(descriptor, DESCRIPTOR);
    return result;
}

static void
test_the_receiver_is_there_before_the_library_tells(void **state)
{
    (void)state;
    struct refusals refusals;
    assert_int_equal(watch(&refusals), 0);
    assert_string_equal(calls, "socket\nsetsockopt\nconnect\ngetsockopt\nmonitor\nrecv\n");
    calls[0] = '\0';
    refusals_end(&refusals, &served);
    assert_string_equal(calls, "end\nclose\n");
}

static void
test_a_watch_of_which_a_call_fails(void **state)
{
    (void)state;
    static const char *const names[] = {"socket", "setsockopt", "connect", "getsockopt", "monitor"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct refusals refusals;
        failing = names[i];
        assert_int_equal(watch(&refusals), -1);
        failing = NULL;
        calls[0] = '\0';
        refusals_end(&refusals, &served);
        assert_string_equal(calls, i == 0 ? "" : "end\nclose\n");
    }
}

/* A program tells each kind once: so each case is looked at with the words of its own. */
static void
test_who_was_refused(void **state)
{
    (void)state;
    static const struct {
        struct event events[8];
        const char *says; /* "": nothing */
    } cases[] = {
        {{{ZMQ_EVENT_ACCEPTED, 12}, {ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0},
             {ZMQ_EVENT_DISCONNECTED, 12}},
            ""},
        {{{ZMQ_EVENT_DISCONNECTED, 12}}, ""},
        {{{ZMQ_EVENT_ACCEPTED, 12}, {ZMQ_EVENT_DISCONNECTED, 11}}, ""},
        {{{ZMQ_EVENT_ACCEPTED, 12}, {ZMQ_EVENT_ACCEPTED, 13}, {ZMQ_EVENT_DISCONNECTED, 12}}, ""},
        {{{ZMQ_EVENT_LISTENING, 3}, {ZMQ_EVENT_ACCEPTED, 3}, {ZMQ_EVENT_CLOSED, 3},
             {ZMQ_EVENT_DISCONNECTED, 3}},
            ""},
        {{{ZMQ_EVENT_ACCEPTED, 7}, {ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, 2},
             {ZMQ_EVENT_DISCONNECTED, 7}},
            ""},
        {{{ZMQ_EVENT_ACCEPTED, 7}, {ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400}}, ""},
        {{{ZMQ_EVENT_ACCEPTED, 7},
             {ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH},
             {ZMQ_EVENT_DISCONNECTED, 7}},
            "wants another security mechanism than NULL"},
        {{{ZMQ_EVENT_ACCEPTED, 7}, {ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, OTHER},
             {ZMQ_EVENT_DISCONNECTED, 7}},
            "violates ZMTP (0xbeef in zmq.h)"},
        {{{ZMQ_EVENT_ACCEPTED, 12}, {ZMQ_EVENT_DISCONNECTED, 11}, {ZMQ_EVENT_DISCONNECTED, 12},
             {ZMQ_EVENT_DISCONNECTED, 12}},
            "speaks ZMTP 2.0 or older"},
    };
    struct refusals refusals;
    assert_int_equal(watch(&refusals), 0);
    notice_to(hear, NULL);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        heard[0] = calls[0] = '\0';
        events = cases[i].events;
        refusals_read(&refusals);
        assert_string_equal(calls, "recv\n"); /* all is read, and both parts of each */
        assert_int_equal(events->number, 0);
        assert_int_equal(heard[0] != '\0', cases[i].says[0] != '\0');
        assert_non_null(strstr(heard, cases[i].says));
        if (heard[0] != '\0')
            assert_ptr_equal(strchr(heard, '\n'), heard + strlen(heard) - 1);
    }
    notice_to(NULL, NULL);
}

static void
test_each_1024th_turn_reads(void **state)
{
    (void)state;
    struct refusals refusals;
    assert_int_equal(watch(&refusals), 0);
    calls[0] = '\0';
    for (int turn = 1; turn <= 3 * 1024; turn++) {
        refusals_turn(&refusals);
        assert_int_equal(strlen(calls), (size_t)turn / 1024 * strlen("recv\n"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_receiver_is_there_before_the_library_tells),
        cmocka_unit_test(test_a_watch_of_which_a_call_fails),
        cmocka_unit_test(test_who_was_refused),
        cmocka_unit_test(test_each_1024th_turn_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

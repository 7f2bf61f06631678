/* PANEL-rep, call by call: what it answers, what it counts, and when it ends. */
#include "scripted.h"

#include <stdio.h>

#define REQUEST(number, time)                                                                      \
    {                                                                                              \
        .kind = MESSAGE_REQUEST, .sequence = (number), .sent = (time)*UINT64_C(1000),              \
        .body = "body", .body_len = 4                                                              \
    }

static void
test_requests_are_answered_until_it_is_stopped(void **state)
{
    (void)state;
    const struct step *script = SCRIPT({"recv", .us = 10, .message = REQUEST(7, 90)},
        {"recv", .us = 20, .message = REQUEST(8, 91)},
        {"recv", .us = 40, .message = REQUEST(7, 90)});
    assert_int_equal(run(WORDS("--json"), script), 0);
    assert_string_equal(told->opened, "tcp://127.0.0.1:5555 -1 1000 33554432");
    assert_string_equal(told->calls,
        "recv\nsend reply 7 at 90 body\nrecv\nsend reply 8 at 91 body\n"
        "recv\nsend reply 7 at 90 body\nrecv\nclose\n");
    assert_int_equal(figure("sent"), 3);
    assert_int_equal(figure("received"), 3);
    assert_int_equal(figure("duplicates"), 1);
    assert_int_equal(figure("malformed"), 0);
    assert_int_equal(figure("first_us"), 1000010);
    assert_int_equal(figure("last_us"), 1000070);
    assert_non_null(strstr(told->output,
        "\"direction\":\"sent\",\"kind\":\"reply\",\"topic\":\"\",\"sequence\":8,\"sent\":91000,"
        "\"length\":4,\"text\":\"body\",\"us\":1000030}"));
}

/* With -n it lingers after the last one; before each answer it works. */
static void
test_work_and_the_last_reply(void **state)
{
    (void)state;
    const struct step *script = SCRIPT({"recv", .message = REQUEST(1, 1)},
        {"recv", .raw = "none", .raw_len = 4}, {"sleep", .us = 10, .errnum = EINTR},
        {"recv", .message = REQUEST(2, 2)}, {"recv", .message = REQUEST(3, 3)});
    assert_int_equal(run(WORDS("--json", "--quiet", "-n", "2", "-w", "5"), script), 0);
    assert_string_equal(told->calls,
        "recv\nsleep 1005000\nsleep 1005000\nsend reply 1 at 1 body\n"
        "recv\nsend error 0 at 0 this is no request\n"
        "recv\nsleep 1010000\nsend reply 2 at 2 body\nsleep 1310000\nclose\n");
    assert_int_equal(figure("received"), 2);
    assert_int_equal(figure("sent"), 3);
    assert_int_equal(figure("malformed"), 1);
}

/* An answer says so, in what -m has room for. */
static void
test_what_is_no_request(void **state)
{
    (void)state;
    struct message wrong = REQUEST(5, 6);
    const char *const limits[] = {"1000", "43", "42", "30", "25"};
    const char *const sentences[] = {
        "this is no request", "this is no request", "this is no reques", "this ", ""};
    for (size_t i = 0; i < LENGTH(limits); i++) {
        for (int kind = 0; kind < 3; kind++) {
            char expected[200];
            wrong.kind = kind == 0 ? MESSAGE_REPLY : MESSAGE_REQUEST;
            wrong.topic = "topic";
            wrong.topic_len = kind == 1 ? 5 : 0;
            const struct step *script = kind == 2 ? SCRIPT({"recv", .raw = "what?", .raw_len = 5})
                                                  : SCRIPT({"recv", .message = wrong});
            assert_int_equal(run(WORDS("--json", "-m", (char *)(uintptr_t)limits[i]), script), 0);
            (void)snprintf(expected, sizeof(expected),
                "recv\nsend error %d at %d %s\nrecv\nclose\n", kind == 2 ? 0 : 5, kind == 2 ? 0 : 6,
                sentences[i]);
            assert_string_equal(told->calls, expected);
            assert_int_equal(figure("malformed"), 1);
            assert_int_equal(figure("received"), 0);
            assert_non_null(strstr(
                told->errors, kind == 2 ? "cannot decode a request (5 bytes)" : "not a request ("));
        }
    }
}

static void
test_signals_and_time_outs(void **state)
{
    (void)state;
    const struct step *script = SCRIPT({"recv", .errnum = EINTR, .times = 2},
        {"recv", .errnum = ETIMEDOUT, .times = 3}, {"recv", .message = REQUEST(1, 1)},
        {"send", .errnum = EINTR}, {"recv", .message = REQUEST(2, 2)});
    assert_int_equal(run(WORDS("--json", "-t", "70"), script), 0);
    assert_int_equal(figure("timeouts"), 3);
    assert_int_equal(figure("received"), 2);
    assert_int_equal(figure("sent"), 1);
    assert_int_equal(called("recv"), 8);
    assert_non_null(strstr(told->output, "\"text\":\"no request within 70 ms\""));
    assert_string_equal(told->errors, "");

    /* An errno says nothing of a call that succeeds. */
    script = SCRIPT({"recv", .leaves = EINTR}, {"recv", .leaves = ETIMEDOUT});
    assert_int_equal(run(WORDS("--json", "-t", "70", "-n", "5"), script), 0);
    assert_int_equal(called("send error"), 2);
    assert_int_equal(figure("timeouts"), 0);

    script = SCRIPT({"recv", .errnum = ETIMEDOUT});
    assert_int_equal(run(WORDS("--json", "-t", "70", "-n", "1"), script), 1);
    assert_string_equal(told->calls, "recv\nclose\n");
    assert_int_equal(figure("timeouts"), 1);
}

/* After a stop it sends no reply any more. */
static void
test_a_stop(void **state)
{
    (void)state;
    const struct step *scripts[] = {
        SCRIPT({"recv", .errnum = EINTR, .stop = true}),
        SCRIPT({"recv", .message = REQUEST(1, 1), .stop = true}),
        SCRIPT({"recv", .message = REQUEST(1, 1)}, {"sleep", .errnum = EINTR, .stop = true}),
        SCRIPT({"recv", .message = REQUEST(1, 1)}, {"send", .errnum = EINTR, .stop = true}),
        SCRIPT({"recv", .message = REQUEST(1, 1)}, {"send", .stop = true}),
    };
    for (size_t i = 0; i < LENGTH(scripts); i++) {
        assert_int_equal(run(WORDS("--json", "-w", "5"), scripts[i]), 0);
        assert_int_equal(called("recv"), 1);
        assert_int_equal(called("send"), i > 2);
        assert_int_equal(called("close"), 1);
        assert_int_equal(figure("sent"), i == 4);
        assert_string_equal(told->errors, "");
    }
}

static void
test_failures(void **state)
{
    (void)state;
    assert_int_equal(run(WORDS("--json"), SCRIPT({"recv", .errnum = ENOSPC})), 1);
    assert_non_null(strstr(told->errors, "cannot receive: No space left on device"));
    const struct step *script =
        SCRIPT({"recv", .message = REQUEST(1, 1)}, {"send", .errnum = ENOSPC});
    assert_int_equal(run(WORDS("--json"), script), 1);
    assert_non_null(strstr(told->errors, "cannot send: No space left on device"));
    assert_string_equal(told->calls, "recv\nsend reply 1 at 1 body\nclose\n");

    assert_int_equal(run(WORDS("--json"), SCRIPT({"open", .errnum = EACCES})), 1);
    assert_non_null(strstr(told->errors, "cannot bind: Permission denied\n"));
    assert_string_equal(told->calls, "close nothing\n");
    assert_int_equal(run(WORDS("--json"), SCRIPT({"open", .errnum = EADDRINUSE})), 1);
    assert_non_null(strstr(told->errors,
        "address already in use; is another rep running? Choose another address with -u\n"));
}

/* The buffer grows, and never shrinks. */
static void
test_replies_of_all_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 100, 99, 2000, 0, 2001};
    static char body[2001];
    struct step script[LENGTH(lengths) + 1] = {{0}};
    memset(body, 'b', sizeof(body));
    for (size_t i = 0; i < LENGTH(lengths); i++)
        script[i] = (struct step){.call = "recv",
            .message = {
                .kind = MESSAGE_REQUEST, .sequence = i, .body = body, .body_len = lengths[i]}};
    assert_int_equal(run(WORDS("--json", "--quiet"), script), 0);
    const char *at = told->calls;
    for (size_t i = 0; i < LENGTH(lengths); i++) {
        char expected[2100];
        (void)snprintf(expected, sizeof(expected), "recv\nsend reply %zu at 0 %.*s\n", i,
            (int)lengths[i], body);
        assert_memory_equal(at, expected, strlen(expected));
        at += strlen(expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_answered_until_it_is_stopped),
        cmocka_unit_test(test_work_and_the_last_reply),
        cmocka_unit_test(test_what_is_no_request),
        cmocka_unit_test(test_signals_and_time_outs),
        cmocka_unit_test(test_a_stop),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_replies_of_all_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

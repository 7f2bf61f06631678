/* PANEL-req, call by call: what it sends, what it takes for an answer, and when it gives up. */
#include "scripted.h"

static void
test_round_trips_are_timed_after_the_warm_up(void **state)
{
    (void)state;
    char **words = WORDS("--json", "--quiet", "--warm-up", "1", "-t", "1500", "-q", "7", "-m", "99",
        "one", "two", "three");
    const struct step *script =
        SCRIPT({"recv", .us = 900}, {"send", .us = 5}, {"recv", .us = 30}, {"recv", .us = 50});
    assert_int_equal(run(words, script), 0);
    assert_string_equal(told->opened, "tcp://127.0.0.1:5555 1500 7 99");
    /* The step of "send" is that of the first request. */
    assert_string_equal(told->calls,
        "send request 1 at 1000000 one\nrecv\n"
        "send request 2 at 1000905 two\nrecv\n"
        "send request 3 at 1000935 three\nrecv\nclose\n");
    assert_non_null(strstr(told->output, "{\"min\":30.000,"));
    assert_non_null(strstr(told->output, ",\"max\":50.000,\"mean\":40.000}"));
    assert_int_equal(figure("sent"), 3);
    assert_int_equal(figure("received"), 3);
    assert_int_equal(figure("first_us"), 1000905);
    assert_int_equal(figure("last_us"), 1000985);
    assert_int_equal(figure("timeouts"), 0);
    assert_string_equal(told->errors, "");
}

/* `sent` is when a request was due, and latency counts from it. */
static void
test_a_rate(void **state)
{
    (void)state;
    char **words = WORDS("--json", "--quiet", "-n", "3", "-r", "1000", "x");
    const struct step *script =
        SCRIPT({"recv", .us = 300}, {"recv", .us = 1500}, {"sleep", .errnum = EINTR});
    assert_int_equal(run(words, script), 0);
    assert_string_equal(told->calls,
        "sleep 1000000\nsleep 1000000\nsend request 1 at 1000000 x\nrecv\n"
        "sleep 1001000\nsend request 2 at 1001000 x\nrecv\n"
        "sleep 1002000\nsend request 3 at 1002000 x\nrecv\nclose\n");
    assert_non_null(strstr(told->output, "{\"min\":300.000,"));
    assert_non_null(strstr(told->output, ",\"max\":1500.000,"));
}

/* The call is made again, and the request is still the same one. */
static void
test_a_signal_that_is_no_stop(void **state)
{
    (void)state;
    const struct step *script = SCRIPT({"send", .errnum = EINTR, .times = 2},
        {"recv", .errnum = EINTR, .us = 4, .times = 3}, {"recv", .us = 10});
    assert_int_equal(run(WORDS("--json", "--quiet", "x"), script), 0);
    assert_int_equal(called("send request 1 at 1000000 x"), 3);
    assert_int_equal(called("recv"), 4);
    assert_int_equal(figure("sent"), 1);
    assert_non_null(strstr(told->output, "{\"min\":22.000,"));
}

/* An errno says nothing of a call that succeeds; and of the output nothing is lost. */
static void
test_what_an_errno_leaves(void **state)
{
    (void)state;
    const struct step *script =
        SCRIPT({"send", .leaves = EINTR}, {"recv", .leaves = EINTR, .raw = "", .raw_len = 0},
            {"send", .leaves = ETIMEDOUT}, {"recv", .leaves = EMSGSIZE, .raw = "", .raw_len = 0},
            {"output", .errnum = EINTR, .times = 3}, {"output", .errnum = ENOMEM});
    assert_int_equal(run(WORDS("--json", "x", "y"), script), 1);
    assert_string_equal(told->calls,
        "send request 1 at 1000000 x\nrecv\n"
        "send request 2 at 1000000 y\nrecv\nclose\n");
    assert_int_equal(figure("malformed"), 2);
    assert_int_equal(figure("timeouts") + figure("too_long"), 0);
    assert_int_equal(strncmp(told->output, "{\"event\":\"ready\"", 16), 0);
}

/* Such as SIGSTOP and SIGCONT, which make no call wait longer than -t. */
static void
test_signals_until_the_time_has_passed(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        const struct step *script = SCRIPT({"recv", .errnum = EINTR, .us = 99999},
            {"recv", .errnum = EINTR, .us = 1 + late}, {"recv", .us = 1});
        assert_int_equal(run(WORDS("--json", "--quiet", "-t", "100", "x"), script), 1);
        assert_int_equal(called("recv"), 2);
        assert_int_equal(figure("timeouts"), 1);
        assert_int_equal(figure("received"), 0);
        assert_non_null(strstr(told->output, "\"text\":\"no answer within 100 ms\""));
    }
    const struct step *script = SCRIPT({"recv", .errnum = EINTR, .us = 2000000000});
    assert_int_equal(run(WORDS("--json", "--quiet", "-t", "-1", "x"), script), 0);
    assert_int_equal(figure("received"), 1);
}

/* It is no failure, whatever was going on; and nothing more is asked. */
static void
test_a_stop(void **state)
{
    (void)state;
    const struct step *scripts[] = {
        SCRIPT({"send", .errnum = EINTR, .stop = true}),
        SCRIPT({"recv", .errnum = EINTR, .stop = true}),
        SCRIPT({"recv", .stop = true}),
        SCRIPT({"sleep", .errnum = EINTR, .stop = true}),
    };
    const int sent[] = {0, 1, 1, 0}, received[] = {0, 0, 1, 0};
    for (size_t i = 0; i < LENGTH(scripts); i++) {
        assert_int_equal(run(WORDS("--json", "-n", "0", "-r", "10", "x"), scripts[i]), 0);
        assert_int_equal(figure("sent"), sent[i]);
        assert_int_equal(figure("received"), received[i]);
        assert_int_equal(figure("timeouts"), 0);
        assert_int_equal(called("send"), i < 3);
        assert_int_equal(called("close"), 1);
        assert_string_equal(told->errors, "");
    }
}

/* It is counted and told, and the next request is made; what the system refuses ends it all. */
static void
test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        int errnum;
        const char *counted, *says;
        bool ends;
    } cases[] = {
        {"send", ETIMEDOUT, "timeouts", "not sent within 2000 ms", false},
        {"recv", ETIMEDOUT, "timeouts", "no answer within 2000 ms", false},
        {"send", EMSGSIZE, "too_long", "the request is longer than -m", false},
        {"recv", EMSGSIZE, "too_long", "the reply is longer than -m", false},
        {"send", ENOSPC, "malformed", "cannot send: No space left on device", true},
        {"recv", ENOSPC, "malformed", "cannot receive: No space left on device", true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct step *script = SCRIPT({cases[i].call, .errnum = cases[i].errnum, .us = 1});
        assert_int_equal(run(WORDS("--json", "--quiet", "one", "two"), script), 1);
        assert_int_equal(figure(cases[i].counted), !cases[i].ends);
        assert_non_null(strstr(told->output, cases[i].says));
        assert_int_equal(called("send request 2 at 1000001 two"), !cases[i].ends);
        assert_int_equal(
            figure("sent"), (strcmp(cases[i].call, "recv") == 0) + (cases[i].ends ? 0 : 1));
        assert_int_equal(figure("received"), cases[i].ends ? 0 : 1);
    }
    assert_int_equal(run(WORDS("--json", "x"), SCRIPT({"open", .errnum = EMFILE})), 1);
    assert_string_equal(told->calls, "close nothing\n");
    assert_non_null(strstr(told->errors, "cannot connect: Too many open files"));
}

/* The reply to a request: of the same sequence, time and body. */
static void
test_what_is_no_answer(void **state)
{
    (void)state;
    const struct message good = {.kind = MESSAGE_REPLY,
        .sequence = 1,
        .sent = BEGIN_US * UINT64_C(1000),
        .body = "body",
        .body_len = 4};
    struct message replies[8];
    for (size_t i = 0; i < LENGTH(replies); i++)
        replies[i] = good;
    replies[1].sequence = 2;
    replies[2].sent++;
    replies[3].body_len = 3;
    replies[4].body = "bodz";
    replies[5].kind = MESSAGE_ERROR;
    replies[6].kind = MESSAGE_EVENT;
    replies[7].topic = "t";
    replies[7].topic_len = 1;
    for (size_t i = 0; i <= LENGTH(replies); i++) {
        bool answer = i == 0, malformed = i >= 6, raw = i == LENGTH(replies);
        const struct step *script = raw ? SCRIPT({"recv", .raw = "no message", .raw_len = 10})
                                        : SCRIPT({"recv", .message = replies[i]});
        assert_int_equal(run(WORDS("--json", "body"), script), !answer);
        assert_int_equal(figure("received"), answer);
        assert_int_equal(figure("malformed"), malformed);
        assert_int_equal(strstr(told->output, "\"latency_us\":null") != NULL, !answer);
        assert_int_equal(strstr(told->errors, "wrong reply: it differs") != NULL, i > 0 && i < 5);
        assert_int_equal(strstr(told->errors, "answered with an error") != NULL, i == 5);
        assert_int_equal(strstr(told->errors, "not a reply (") != NULL, i == 6 || i == 7);
        assert_int_equal(strstr(told->errors, "cannot decode a reply (10 bytes)") != NULL, raw);
        assert_int_equal(strstr(told->output, "\"direction\":\"received\"") != NULL, !malformed);
    }
}

static void
test_lines_of_standard_input(void **state)
{
    (void)state;
    give_input("one\nmuch too long for what -m says it may be\nthree\n");
    assert_int_equal(run(WORDS("--json", "--quiet", "-m", "30", "-"), SCRIPT({0})), 1);
    assert_string_equal(told->calls,
        "send request 1 at 1000000 one\nrecv\nsend request 3 at 1000000 three\nrecv\nclose\n");
    assert_int_equal(figure("too_long"), 1);
    assert_non_null(strstr(told->errors, "a line is longer than -m; it was skipped"));

    expect_how_input_ends("received");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips_are_timed_after_the_warm_up),
        cmocka_unit_test(test_a_rate),
        cmocka_unit_test(test_a_signal_that_is_no_stop),
        cmocka_unit_test(test_what_an_errno_leaves),
        cmocka_unit_test(test_signals_until_the_time_has_passed),
        cmocka_unit_test(test_a_stop),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_what_is_no_answer),
        cmocka_unit_test(test_lines_of_standard_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

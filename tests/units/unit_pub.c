/* PANEL-pub, call by call: what it publishes, when, and how it waits. */
#include "scripted.h"

#include <stdio.h>

static void
test_topics_and_texts_take_turns(void **state)
{
    (void)state;
    char **words = WORDS("--json", "-T", "a", "-T", "b", "-n", "5", "x", "y", "z");
    assert_int_equal(run(words, SCRIPT({"send", .us = 10, .times = 5})), 0);
    assert_string_equal(told->opened, "tcp://127.0.0.1:5555 -1 1000 33554432");
    assert_string_equal(told->calls,
        "send event 1 at 1000000 a x\nsend event 1 at 1000010 b y\nsend event 2 at 1000020 a z\n"
        "send event 2 at 1000030 b x\nsend event 3 at 1000040 a y\nclose\n");
    assert_int_equal(figure("sent"), 5);
    assert_int_equal(figure("first_us"), 1000000);
    assert_int_equal(figure("last_us"), 1000050);
    assert_non_null(strstr(told->output,
        "\"topic\":\"b\",\"sequence\":2,\"sent\":1000030000,"
        "\"length\":1,\"text\":\"x\",\"us\":1000030}"));
    assert_string_equal(told->errors, "");

    assert_int_equal(run(WORDS("--json", "x"), SCRIPT({"send", .us = 10})), 0);
    assert_string_equal(told->calls, "send event 1 at 1000000 x\nclose\n");
    assert_int_equal(figure("last_us"), 1000000);
}

/* In slices, since a panel that always has something to do never sees a signal. */
static void
test_a_delay(void **state)
{
    (void)state;
    static const struct {
        char *ms;
        const char *calls;
    } cases[] = {
        {"0", ""},
        {"49", "idle 1049000\n"},
        {"50", "idle 1050000\nidle 1050000\n"},
        {"120", "idle 1050000\nidle 1100000\nidle 1120000\n"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char expected[200];
        assert_int_equal(run(WORDS("--json", "-d", cases[i].ms, "x"), SCRIPT({0})), 0);
        (void)snprintf(expected, sizeof(expected), "%ssend event 1 at %d x\nclose\n",
            cases[i].calls, BEGIN_US + 1000 * atoi(cases[i].ms));
        assert_string_equal(told->calls, expected);
    }
    /* A signal that is no stop ends a slice early, and the next one is a whole one. */
    const struct step *script = SCRIPT({"idle", .us = 20000, .errnum = EINTR});
    assert_int_equal(run(WORDS("--json", "-d", "60", "x"), script), 0);
    assert_string_equal(
        told->calls, "idle 1050000\nidle 1060000\nsend event 1 at 1060000 x\nclose\n");
}

/* It calls pub_idle() before each event. If the event is late, it does so only every 64th time. */
static void
test_a_rate(void **state)
{
    (void)state;
    assert_int_equal(run(WORDS("--json", "-r", "1000", "-n", "3", "x"), SCRIPT({0})), 0);
    assert_string_equal(told->calls,
        "idle 1000000\nsend event 1 at 1000000 x\nidle 1001000\nsend event 2 at 1001000 x\n"
        "idle 1002000\nsend event 3 at 1002000 x\nclose\n");

    const struct step *script = SCRIPT({"send", .us = 1000}, {"send", .us = 999});
    assert_int_equal(run(WORDS("--json", "-r", "1000", "-n", "4", "x"), script), 0);
    assert_string_equal(told->calls,
        "idle 1000000\nsend event 1 at 1000000 x\nsend event 2 at 1001000 x\n"
        "idle 1002000\nsend event 3 at 1002000 x\nidle 1003000\nsend event 4 at 1003000 "
        "x\nclose\n");

    script = SCRIPT({"send", .us = 1000});
    assert_int_equal(run(WORDS("--json", "-r", "1000000", "-n", "130", "--quiet", "x"), script), 0);
    assert_int_equal(called("idle"), 3);
    assert_non_null(strstr(told->calls, "send event 64 at 1000063 x\nidle 1000064\nsend event 65"));
    assert_non_null(
        strstr(told->calls, "send event 128 at 1000127 x\nidle 1000128\nsend event 129"));
}

/* For each event that it prints, or that is a line of input. Else for every 64th event. */
static void
test_when_it_reads_the_clock(void **state)
{
    (void)state;
    const struct step *script = SCRIPT({"send", .us = 1, .times = 130});
    assert_int_equal(run(WORDS("--json", "--quiet", "-n", "130", "x"), script), 0);
    for (int n = 1; n <= 130; n++) {
        char line[60];
        (void)snprintf(
            line, sizeof(line), "send event %d at %d x\n", n, BEGIN_US + (n - 1) / 64 * 64);
        assert_non_null(strstr(told->calls, line));
    }
    assert_int_equal(figure("last_us"), 1000130);
    for (int lines = 0; lines < 2; lines++) {
        if (lines)
            give_input("x\nx\nx\n");
        char *words[] = {
            "--json", lines ? "--quiet" : "-n", lines ? "-" : "3", lines ? NULL : "x", NULL};
        assert_int_equal(run(words, script), 0);
        assert_string_equal(told->calls,
            "send event 1 at 1000000 x\nsend event 2 at 1000001 x\n"
            "send event 3 at 1000002 x\nclose\n");
    }
}

static void
test_signals_and_failures(void **state)
{
    (void)state;
    const struct step *script = SCRIPT({"send", .errnum = EINTR, .times = 3});
    assert_int_equal(run(WORDS("--json", "x"), script), 0);
    assert_int_equal(called("send event 1 at 1000000 x"), 4);
    assert_int_equal(figure("sent"), 1);

    /* An event that was not sent leaves no gap. */
    script = SCRIPT({"send", .errnum = EMSGSIZE});
    assert_int_equal(run(WORDS("--json", "x", "y"), script), 1);
    assert_string_equal(
        told->calls, "send event 1 at 1000000 x\nsend event 1 at 1000000 y\nclose\n");
    assert_int_equal(figure("too_long"), 1);
    assert_int_equal(figure("sent"), 1);
    assert_non_null(strstr(told->errors, "the event is longer than -m"));

    script = SCRIPT({"send", .errnum = ENOSPC});
    assert_int_equal(run(WORDS("--json", "x", "y"), script), 1);
    assert_string_equal(told->calls, "send event 1 at 1000000 x\nclose\n");
    assert_non_null(strstr(told->errors, "cannot publish: No space left on device"));

    script = SCRIPT({"idle", .errnum = ENOSPC});
    assert_int_equal(run(WORDS("--json", "-d", "10", "x"), script), 1);
    assert_string_equal(told->calls, "idle 1010000\nclose\n");
    assert_non_null(strstr(told->errors, "cannot wait: No space left on device"));
    assert_int_equal(run(WORDS("--json", "-r", "10", "x"), script), 1);
    assert_string_equal(told->calls, "idle 1000000\nclose\n");

    assert_int_equal(run(WORDS("--json"), SCRIPT({"open", .errnum = EACCES})), 1);
    assert_non_null(strstr(told->errors, "cannot bind: Permission denied\n"));
    assert_string_equal(told->calls, "close nothing\n");
    assert_int_equal(run(WORDS("--json"), SCRIPT({"open", .errnum = EADDRINUSE})), 1);
    assert_non_null(strstr(told->errors,
        "address already in use; is another pub running? Choose another address with -u\n"));
}

/* It ends at once, and it is no failure. What was sent counts. */
static void
test_a_stop(void **state)
{
    (void)state;
    const struct step *scripts[] = {
        SCRIPT({"idle", .stop = true, .errnum = EINTR}),
        SCRIPT({"idle", .stop = true}),
        SCRIPT({.call = "idle"}, {"idle", .stop = true}),
        SCRIPT({"send", .stop = true, .errnum = EINTR}),
        SCRIPT({"send", .stop = true}),
        SCRIPT({"send", .times = 9}, {"send", .stop = true}),
    };
    const int sends[] = {0, 0, 0, 1, 1, 10}, sent[] = {0, 0, 0, 0, 1, 10};
    for (size_t i = 0; i < LENGTH(scripts); i++) {
        assert_int_equal(
            run(WORDS("--json", "-n", "0", "-d", "10", "-r", "5", "x"), scripts[i]), 0);
        assert_int_equal(called("send"), sends[i]);
        assert_int_equal(figure("sent"), sent[i]);
        assert_int_equal(called("close"), 1);
        assert_string_equal(told->errors, "");
    }
    open_input(); /* of which -n lines would have come */
    assert_int_equal(run(WORDS("--json", "-n", "3", "-"), SCRIPT({"idle", .stop = true})), 0);
    assert_string_equal(told->errors, "");
}

/* The panel works while nothing has come. */
static void
test_lines_of_standard_input(void **state)
{
    (void)state;
    const struct step *script = SCRIPT({"idle", .us = 10000}, {"idle", .us = 7000, .errnum = EINTR},
        {"idle", .us = 3000, .input = "one\n"}, {"idle", .us = 100, .input = "two\nthree"},
        {"idle", .us = 10, .input = ""});
    open_input();
    assert_int_equal(run(WORDS("--json", "-"), script), 0);
    assert_string_equal(told->calls,
        "idle 1010000\nidle 1020000\nidle 1020000\nsend event 1 at 1020000 one\n"
        "idle 1030000\nsend event 2 at 1020100 two\n"
        "idle 1030100\nsend event 3 at 1020110 three\nclose\n");

    give_input("one\n");
    script = SCRIPT({"input", .errnum = EINTR}, {.call = "input"});
    assert_int_equal(run(WORDS("--json", "-"), script), 0);
    assert_string_equal(
        told->calls, "idle 1010000\nidle 1020000\nsend event 1 at 1020000 one\nclose\n");
    give_input("one\n");
    assert_int_equal(run(WORDS("--json", "-"), SCRIPT({"input", .errnum = ENOMEM})), 1);
    assert_string_equal(told->calls, "close\n");
    assert_non_null(strstr(told->errors, "cannot read standard input: Cannot allocate memory"));

    give_input("much too long for what -m says it may be\nshort\n");
    assert_int_equal(run(WORDS("--json", "-m", "30", "-"), SCRIPT({0})), 1);
    assert_string_equal(told->calls, "send event 1 at 1000000 short\nclose\n");
    assert_int_equal(figure("too_long"), 1);
    assert_non_null(strstr(told->errors, "a line is longer than -m; it was skipped"));

    expect_how_input_ends("sent");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics_and_texts_take_turns),
        cmocka_unit_test(test_a_delay),
        cmocka_unit_test(test_a_rate),
        cmocka_unit_test(test_when_it_reads_the_clock),
        cmocka_unit_test(test_signals_and_failures),
        cmocka_unit_test(test_a_stop),
        cmocka_unit_test(test_lines_of_standard_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The programs' figures, to the last digit: of a summary, and of a line for each message. */
#include "unit.h"

#include "clock.h"
#include "notice.h"
#include "report.h"

#include <stdio.h>
#include <unistd.h>

static struct options options;
static struct report report; /* large */
static char output[4096];
static int standard_output;

static void
begin(enum role role, bool json)
{
    options = (struct options){.role = role, .url = "tcp://127.0.0.1:5555", .json = json};
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fflush(stdout);
    standard_output = dup(STDOUT_FILENO);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(report_open(&report, &options), 0);
}

/* Ends what was printed since begin(), into `output`. */
static void
end(void)
{
    (void)fflush(stdout);
    ssize_t n = pread(STDOUT_FILENO, output, sizeof(output) - 1, 0);
    output[n > 0 ? n : 0] = '\0';
    assert_true(dup2(standard_output, STDOUT_FILENO) >= 0);
    assert_int_equal(close(standard_output), 0);
}

/* 11 round trips in 2.000000005 s, of 12,005 ns and of 1 ms. */
static void
eleven(void)
{
    report.sent = 12; /* one has no answer */
    report.received = 11;
    report.first = 3 * (int64_t)CLOCK_S + 7004; /* 3000007 us */
    report.last = report.first + 2 * (int64_t)CLOCK_S + 5;
    latency_add(&report.latency, 12005);
    latency_add(&report.latency, 12005);
    latency_add(&report.latency, 1000000);
}

static void
test_a_requesters_summary(void **state)
{
    (void)state;
    begin(ROLE_REQ, true);
    eleven();
    report.malformed = report.malformed_printed = 1;
    report.too_long = 2;
    report.timeouts = 3;
    assert_int_equal(report_close(&report, false), EXIT_DONE);
    end();
    assert_string_equal(output,
        "{\"event\":\"summary\",\"panel\":\"unit\",\"version\":\"Unit 1.0\",\"role\":\"req\","
        "\"sent\":12,\"received\":11,\"lost\":null,\"duplicates\":null,\"restarts\":null,"
        "\"malformed\":1,\"too_long\":2,\"timeouts\":3,\"seconds\":2.000000005,\"rate\":5.000,"
        "\"first_us\":3000007,\"last_us\":5000007,\"latency_us\":{\"min\":12.005,\"p50\":12.005,"
        "\"p90\":1000.000,\"p99\":1000.000,\"p999\":1000.000,\"max\":1000.000,\"mean\":341.337}}"
        "\n");
}

/* A publisher's rate is that of what it sent; the other's, of what came. */
static void
test_a_publishers_and_a_subscribers_summary(void **state)
{
    (void)state;
    for (int sends = 0; sends < 2; sends++) {
        begin(sends ? ROLE_PUB : ROLE_SUB, true);
        report.sent = sends ? 11 : 0;
        report.received = sends ? 0 : 21;
        report.lost = report.duplicates = report.restarts = 0;
        report.first = CLOCK_S;
        report.last = 2 * (int64_t)CLOCK_S;
        assert_int_equal(report_close(&report, false), EXIT_DONE);
        end();
        assert_non_null(strstr(output, sends ? "\"rate\":10.000," : "\"rate\":20.000,"));
        assert_non_null(strstr(output,
            sends ? "\"sent\":11,\"received\":null,\"lost\":null"
                  : "\"sent\":null,\"received\":21,\"lost\":0"));
        assert_non_null(strstr(output, "\"latency_us\":null}"));
    }
}

static void
test_without_a_message(void **state)
{
    (void)state;
    begin(ROLE_REP, true);
    assert_int_equal(report_close(&report, false), EXIT_DONE);
    end();
    assert_non_null(strstr(output,
        "\"seconds\":0.000000000,\"rate\":null,\"first_us\":null,\"last_us\":null,"
        "\"latency_us\":null}\n"));
}

static void
test_a_summary_for_people(void **state)
{
    (void)state;
    begin(ROLE_REQ, false);
    eleven();
    report.last = report.first + CLOCK_S + 5 * CLOCK_MS;
    assert_int_equal(report_close(&report, false), EXIT_DONE);
    end();
    assert_string_equal(output,
        "unit-req: 12 sent, 11 received in 1.005 s (10 a second)\n"
        "round trips, us: min 12.0  p50 12.0  max 1000.0  mean 341.3\n");
    begin(ROLE_REQ, false);
    for (int i = 0; i < 999; i++)
        latency_add(&report.latency, 1000);
    assert_int_equal(report_close(&report, false), EXIT_DONE);
    end();
    assert_non_null(strstr(output, "p99 1.0  max"));
    begin(ROLE_REQ, false);
    for (int i = 0; i < 1000; i++)
        latency_add(&report.latency, 1000);
    assert_int_equal(report_close(&report, false), EXIT_DONE);
    end();
    assert_non_null(strstr(output, "p99 1.0  p999 1.0  max"));
}

/* The complaint is enough; for a program that reads it, the last line is there. */
static void
test_a_program_that_never_began(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        for (int began = 0; began < 2; began++) {
            begin(ROLE_REQ, json);
            report.opened = began;
            report.failed = true;
            assert_int_equal(report_close(&report, false), EXIT_FAILED);
            end();
            assert_int_equal(strlen(output) > 0, json || began);
        }
    }
}

static void
test_who_is_ready_where(void **state)
{
    (void)state;
    const char *words[] = {"req (Unit 1.0) connects to", "rep (Unit 1.0) is bound to",
        "pub (Unit 1.0) is bound to", "sub (Unit 1.0) connects to"};
    for (enum role role = ROLE_REQ; role <= ROLE_SUB; role++) {
        char expected[80];
        begin(role, false);
        report_ready(&report);
        end();
        (void)snprintf(expected, sizeof(expected), "unit-%s tcp://127.0.0.1:5555\n", words[role]);
        assert_string_equal(output, expected);
    }
}

static void
test_an_error_says_its_reason(void **state)
{
    (void)state;
    begin(ROLE_SUB, true);
    int standard_error = dup(STDERR_FILENO);
    assert_true(dup2(STDOUT_FILENO, STDERR_FILENO) >= 0);
    report_error(&report, "cannot receive", ENOSPC);
    report_error(&report, "too long", 0);
    assert_true(dup2(standard_error, STDERR_FILENO) >= 0);
    assert_int_equal(close(standard_error), 0);
    end();
    assert_non_null(strstr(
        output, "\"text\":\"tcp://127.0.0.1:5555: cannot receive: No space left on device\""));
    assert_non_null(strstr(output, "\"text\":\"tcp://127.0.0.1:5555: too long\""));
    assert_non_null(strstr(
        output, "unit-sub: tcp://127.0.0.1:5555: cannot receive: No space left on device\n"));
    assert_true(report.failed);
}

/* On both streams. For people it is one line, as any complaint. */
static void
test_what_the_panel_notices(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        begin(ROLE_REP, json);
        int standard_error = dup(STDERR_FILENO);
        assert_true(dup2(STDOUT_FILENO, STDERR_FILENO) >= 0);
        notice(json ? "refused %d" : "refused  %d", 3);
        assert_true(dup2(standard_error, STDERR_FILENO) >= 0);
        assert_int_equal(close(standard_error), 0);
        end();
        assert_non_null(strstr(output, json ? "unit-rep: refused 3\n" : "unit-rep: refused  3\n"));
        bool told = strstr(output, "{\"event\":\"notice\",\"text\":\"refused 3\",\"us\":") != NULL;
        assert_int_equal(told, json);
        assert_false(report.failed);
    }
}

static void
test_the_exit_status(void **state)
{
    (void)state;
    for (int failed = 0; failed < 2; failed++) {
        for (int stopped = 0; stopped < 2; stopped++) {
            begin(ROLE_SUB, true);
            report.failed = failed;
            int expected = failed && !stopped ? EXIT_FAILED : EXIT_DONE;
            assert_int_equal(report_close(&report, stopped), expected);
            end();
        }
    }
}

static void
test_a_line_for_a_message(void **state)
{
    (void)state;
    const int64_t now = 100 * (int64_t)CLOCK_S;
    const struct message event = {
        .topic = "oslo",
        .topic_len = 4,
        .kind = MESSAGE_EVENT,
        .sequence = 7,
        .sent = (uint64_t)(now - 12005),
        .body = "warm",
        .body_len = 4,
    };
    begin(ROLE_SUB, false);
    report.opened = now - 3 * (int64_t)CLOCK_S - 45 * CLOCK_US;
    report_received(&report, &event, now);
    end();
    assert_string_equal(output, "    3.000045  <- event 7  oslo  warm  12 us\n");

    begin(ROLE_PUB, true);
    report_sent(&report, &event, now + 5999);
    end();
    assert_string_equal(output,
        "{\"event\":\"message\",\"direction\":\"sent\",\"kind\":\"event\",\"topic\":\"oslo\","
        "\"sequence\":7,\"sent\":99999987995,\"length\":4,\"text\":\"warm\","
        "\"us\":100000005}\n");
}

/* 60 bytes of a body are shown to people, and 256 in a JSON line. */
static void
test_a_long_body(void **state)
{
    (void)state;
    static char body[300], expected[400];
    memset(body, 'x', sizeof(body));
    struct message event = {.kind = MESSAGE_REQUEST, .sequence = 1, .body = body};
    for (size_t len = 60; len <= 61; len++) {
        event.body_len = len;
        begin(ROLE_REP, false);
        report_received(&report, &event, 0);
        end();
        (void)snprintf(expected, sizeof(expected), "request 1  %.60s%s\n", body,
            len > 60 ? "... (61 bytes)" : "");
        assert_non_null(strstr(output, expected));
    }
    for (size_t len = 256; len <= 257; len++) {
        event.body_len = len;
        begin(ROLE_REP, true);
        report_received(&report, &event, 0);
        end();
        (void)snprintf(
            expected, sizeof(expected), "\"length\":%zu,\"text\":\"%.256s\",", len, body);
        assert_non_null(strstr(output, expected));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_requesters_summary),
        cmocka_unit_test(test_a_publishers_and_a_subscribers_summary),
        cmocka_unit_test(test_without_a_message),
        cmocka_unit_test(test_a_summary_for_people),
        cmocka_unit_test(test_a_program_that_never_began),
        cmocka_unit_test(test_who_is_ready_where),
        cmocka_unit_test(test_an_error_says_its_reason),
        cmocka_unit_test(test_what_the_panel_notices),
        cmocka_unit_test(test_the_exit_status),
        cmocka_unit_test(test_a_line_for_a_message),
        cmocka_unit_test(test_a_long_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

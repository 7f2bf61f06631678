/* PANEL-sub, call by call: what it subscribes to, what it counts, and when it reads the clock. */
#include "scripted.h"

#include <stdio.h>

#define EVENT(number, time)                                                                        \
    {                                                                                              \
        .topic = "oslo", .topic_len = 4, .kind = MESSAGE_EVENT, .sequence = (number),              \
        .sent = (time)*UINT64_C(1000), .body = "warm", .body_len = 4                               \
    }

static void
test_subscriptions(void **state)
{
    (void)state;
    assert_int_equal(run(WORDS("--json", "-T", "oslo.", "-T", "", "-T", "rome."), SCRIPT({0})), 0);
    assert_string_equal(told->opened, "tcp://127.0.0.1:5555 -1 1000 33554432");
    assert_string_equal(told->calls, "subscribe oslo.\nsubscribe \nsubscribe rome.\nrecv\nclose\n");
    assert_int_equal(run(WORDS("--json"), SCRIPT({0})), 0);
    assert_string_equal(told->calls, "subscribe \nrecv\nclose\n");
    for (int prefixes = 0; prefixes < 2; prefixes++) {
        char *words[] = {"--json", prefixes ? "-T" : NULL, "oslo.", "-T", "rome.", NULL};
        assert_int_equal(run(words, SCRIPT({"subscribe", .errnum = ENOMEM})), 1);
        assert_string_equal(
            told->calls, prefixes ? "subscribe oslo.\nclose\n" : "subscribe \nclose\n");
        assert_non_null(strstr(told->errors, "cannot subscribe: Cannot allocate memory"));
        assert_null(strstr(told->output, "\"ready\""));
    }
    assert_int_equal(run(WORDS("--json"), SCRIPT({"open", .errnum = EMFILE})), 1);
    assert_string_equal(told->calls, "close nothing\n");
    assert_non_null(strstr(told->errors, "cannot connect: Too many open files"));
}

static void
test_gaps_duplicates_restarts(void **state)
{
    (void)state;
    static const struct {
        uint64_t sequence, sent; /* us */
        int lost, duplicates, restarts; /* then */
    } events[] = {
        {5, 50, 0, 0, 0},
        {6, 51, 0, 0, 0},
        {8, 52, 1, 0, 0},
        {8, 52, 1, 1, 0},
        {7, 51, 1, 2, 0},
        {7, 52, 1, 3, 0}, /* as late as the last one */
        {9, 53, 1, 3, 0}, /* a duplicate is not remembered */
        {12, 53, 3, 3, 0},
        {2, 54, 3, 3, 1},
        {3, 55, 3, 3, 1},
        {3, 56, 3, 3, 2},
    };
    struct step script[LENGTH(events) + 1] = {{0}};
    for (size_t n = 0; n < LENGTH(events); n++) {
        script[n] =
            (struct step){.call = "recv", .message = EVENT(events[n].sequence, events[n].sent)};
        assert_int_equal(run(WORDS("--json"), script), 0);
        assert_int_equal(figure("lost"), events[n].lost);
        assert_int_equal(figure("duplicates"), events[n].duplicates);
        assert_int_equal(figure("restarts"), events[n].restarts);
        assert_int_equal(figure("received"), (int)n + 1 - events[n].duplicates);
    }
    assert_non_null(strstr(told->output, "{\"event\":\"first\",\"sequence\":5}"));
    const char *first = strstr(told->output, "\"event\":\"first\"");
    assert_null(strstr(first + 1, "\"event\":\"first\""));
}

/* Of more topics than it remembers, events are received, and no gaps are seen. */
static void
test_topics_that_it_does_not_remember(void **state)
{
    (void)state;
    static struct step script[4096 + 4];
    static char names[4096 + 1][8];
    for (size_t i = 0; i <= 4096; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%zu", i);
        script[i] = (struct step){.call = "recv",
            .message = {.topic = names[i],
                .topic_len = strlen(names[i]),
                .kind = MESSAGE_EVENT,
                .sequence = 1,
                .sent = 1}};
    }
    script[4097] = script[4096];
    script[4098] = script[0];
    assert_int_equal(run(WORDS("--json", "--quiet"), script), 0);
    assert_int_equal(figure("received"), 4098);
    assert_int_equal(figure("duplicates"), 1);
}

static void
test_what_is_no_event(void **state)
{
    (void)state;
    struct message reply = EVENT(1, 1), zero = EVENT(0, 1);
    reply.kind = MESSAGE_REPLY;
    const struct step *scripts[] = {
        SCRIPT({"recv", .raw = "what?", .raw_len = 5}, {"recv", .message = EVENT(1, 1)}),
        SCRIPT({"recv", .message = reply}, {"recv", .message = EVENT(1, 1)}),
        SCRIPT({"recv", .message = zero}, {"recv", .message = EVENT(1, 1)}),
        SCRIPT({.call = "recv"}, {"recv", .message = EVENT(1, 1)}),
    };
    const char *says[] = {"cannot decode an event (5 bytes)", "not an event (", "not an event (",
        "cannot decode an event (it is empty)"};
    for (size_t i = 0; i < LENGTH(scripts); i++) {
        assert_int_equal(run(WORDS("--json"), scripts[i]), 0);
        assert_int_equal(figure("malformed"), 1);
        assert_int_equal(figure("received"), 1);
        assert_non_null(strstr(told->errors, says[i]));
    }
}

static void
test_signals_time_outs_and_failures(void **state)
{
    (void)state;
    const struct step *script =
        SCRIPT({"recv", .errnum = EINTR, .times = 2}, {"recv", .errnum = ETIMEDOUT, .times = 3},
            {"recv", .errnum = EMSGSIZE, .times = 4}, {"recv", .message = EVENT(1, 1)});
    assert_int_equal(run(WORDS("--json", "-t", "70"), script), 0);
    assert_int_equal(figure("timeouts"), 3);
    assert_int_equal(figure("too_long"), 4);
    assert_int_equal(figure("received"), 1);
    assert_non_null(strstr(told->output, "\"text\":\"no event within 70 ms\""));
    assert_string_equal(told->errors, "");

    /* An errno says nothing of a call that succeeds. */
    script = SCRIPT({"recv", .leaves = EMSGSIZE}, {"recv", .leaves = ETIMEDOUT});
    assert_int_equal(run(WORDS("--json", "-n", "5"), script), 0);
    assert_int_equal(figure("malformed"), 2);
    assert_int_equal(figure("timeouts") + figure("too_long"), 0);

    assert_int_equal(run(WORDS("--json", "-n", "1"), SCRIPT({"recv", .errnum = ETIMEDOUT})), 1);
    assert_string_equal(told->calls, "subscribe \nrecv\nclose\n");
    assert_int_equal(run(WORDS("--json"), SCRIPT({"recv", .errnum = ENOSPC})), 1);
    assert_string_equal(told->calls, "subscribe \nrecv\nclose\n");
    assert_non_null(strstr(told->errors, "cannot receive: No space left on device"));
}

static void
test_the_count_is_reached(void **state)
{
    (void)state;
    const struct step *script =
        SCRIPT({"recv", .us = 3, .message = EVENT(1, 1)}, {"recv", .us = 4, .message = EVENT(1, 1)},
            {"recv", .us = 5, .message = EVENT(2, 2)}, {"recv", .us = 6, .message = EVENT(3, 3)});
    assert_int_equal(run(WORDS("--json", "-n", "2"), script), 0);
    assert_int_equal(called("recv"), 3); /* one is a duplicate */
    assert_int_equal(figure("received"), 2);
    assert_int_equal(figure("first_us"), 1000003);
    assert_int_equal(figure("last_us"), 1000012);

    /* The last one's time is that of its end, although the clock was not read for it. */
    script = SCRIPT(
        {"recv", .us = 3, .message = EVENT(1, 9)}, {"recv", .us = 4, .message = EVENT(2, 9)});
    assert_int_equal(run(WORDS("--json", "--quiet", "-n", "2"), script), 0);
    assert_int_equal(figure("last_us"), 1000007);
}

/* For each event, if it prints each. Else for the first event with a new `sent`, and every 64th. */
static void
test_when_it_reads_the_clock(void **state)
{
    (void)state;
    const struct step *script = SCRIPT({"recv", .us = 10, .message = EVENT(1, 1000000)},
        {"recv", .us = 10, .message = EVENT(2, 1000000)},
        {"recv", .us = 10, .message = EVENT(3, 1000025)});
    assert_int_equal(run(WORDS("--json"), script), 0);
    for (int us = 10; us <= 30; us += 10) {
        char time[20];
        (void)snprintf(time, sizeof(time), "\"us\":10000%d}", us);
        assert_non_null(strstr(told->output, time));
    }
    /* The second event is no sample of the latency; 10 and 5 us are. */
    assert_non_null(strstr(told->output, "{\"min\":5.000,"));
    assert_non_null(strstr(told->output, ",\"max\":10.000,\"mean\":7.500}"));

    static const int numbers[] = {1, 2, 63, 64, 65, 66, 128, 129};
    for (size_t n = 0; n < LENGTH(numbers); n++) {
        struct step same[130] = {{0}};
        int events = numbers[n];
        for (int i = 0; i < events; i++)
            same[i] =
                (struct step){.call = "recv", .us = 1, .message = EVENT((uint64_t)i + 1, 1000000)};
        assert_int_equal(run(WORDS("--json", "--quiet"), same), 0);
        assert_int_equal(figure("received"), events);
        assert_int_equal(figure("last_us"), 1000001 + (events - 1) / 64 * 64);
        assert_non_null(strstr(told->output, "{\"min\":1.000,"));
        assert_non_null(strstr(told->output, ",\"max\":1.000,\"mean\":1.000}"));
    }
    /* Events without a time do not count as events of the same time. */
    script = SCRIPT(
        {"recv", .us = 10, .message = EVENT(1, 0)}, {"recv", .us = 10, .message = EVENT(2, 0)});
    assert_int_equal(run(WORDS("--json", "--quiet"), script), 0);
    assert_int_equal(figure("last_us"), 1000020);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_gaps_duplicates_restarts),
        cmocka_unit_test(test_topics_that_it_does_not_remember),
        cmocka_unit_test(test_what_is_no_event),
        cmocka_unit_test(test_signals_time_outs_and_failures),
        cmocka_unit_test(test_the_count_is_reached),
        cmocka_unit_test(test_when_it_reads_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

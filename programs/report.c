/*
 * The programs' output. Standard output is flushed line by line, so that a
 * person or a script at the other end of a pipe sees each line at once.
 * Measurements use --quiet.
 */
#include "report.h"

#include "clock.h"
#include "json.h"
#include "notice.h"
#include "process.h"
#include "stop.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    TEXT_MAX = 256, /* bytes of a body in a JSON line */
    SHOWN_MAX = 60, /* bytes of a body in a line for people */
    OUTPUT_MS = 300, /* after a signal, output waits at most so long for whoever
                        reads it: the program must end within 1 s (R10) */
};

static const char *const kinds[] = {
    [MESSAGE_REQUEST] = "request",
    [MESSAGE_REPLY] = "reply",
    [MESSAGE_EVENT] = "event",
    [MESSAGE_ERROR] = "error",
};

/* The counts that each role can know; the others are null. */
static const struct {
    bool sent, received, lost, duplicates, restarts, malformed, too_long;
    bool timeouts, latency;
} knows[] = {
    [ROLE_REQ] = {.sent = true,
        .received = true,
        .malformed = true,
        .too_long = true,
        .timeouts = true,
        .latency = true},
    [ROLE_REP] = {.sent = true,
        .received = true,
        .duplicates = true,
        .malformed = true,
        .timeouts = true},
    [ROLE_PUB] = {.sent = true, .too_long = true},
    [ROLE_SUB] = {.received = true,
        .lost = true,
        .duplicates = true,
        .restarts = true,
        .malformed = true,
        .too_long = true,
        .timeouts = true,
        .latency = true},
};

static void
print_string(const char *name, const char *text, size_t len)
{
    (void)printf(",\"%s\":", name);
    json_string(stdout, text, len);
}

/* For people: seconds since report_ready(), and the event's mark. */
static void
print_time(const struct report *report, int64_t now, const char *mark)
{
    int64_t us = (now - report->opened) / CLOCK_US;
    (void)printf("%5lld.%06lld  %s", (long long)(us / 1000000),
        (long long)(us % 1000000), mark);
}

/*
 * Waits until standard output takes a line. A signal would end a write(2) that
 * waits, and the C library would then forget the line (measured with glibc).
 */
static void
await_output(struct report *report)
{
    int ready;
    do {
        int left_ms = -1;
        if (stop_requested()) {
            if (report->output_until == 0)
                report->output_until = clock_deadline(OUTPUT_MS);
            left_ms = clock_left_ms(report->output_until);
        }
        ready = process_output(left_ms);
    } while (ready < 0);
    if (ready == 0)
        report->output_lost = true;
}

/*
 * Whoever reads our output sees each line at once. (The C library could do so
 * by itself, _IOLBF, but that of Windows takes it for _IOFBF.) If nobody reads
 * any more, the program ends.
 */
static void
end_line(struct report *report)
{
    await_output(report);
    if (fflush(stdout) != 0 || ferror(stdout))
        stop_request();
}

void
report_ready(struct report *report)
{
    const struct options *options = report->options;
    report->opened = clock_now();
    if (options->json) {
        (void)printf("{\"event\":\"ready\"");
        print_string("panel", panel_name(), strlen(panel_name()));
        print_string(
            "role", role_name(options->role), strlen(role_name(options->role)));
        print_string("url", options->url, strlen(options->url));
        (void)printf(",\"pid\":%ld}\n", (long)getpid());
    } else {
        bool binds = options->role == ROLE_REP || options->role == ROLE_PUB;
        (void)printf("%s-%s (%s) %s %s\n", panel_name(),
            role_name(options->role), panel_version(),
            binds ? "is bound to" : "connects to", options->url);
    }
    end_line(report);
}

void
report_first(struct report *report, const struct message *message)
{
    if (report->options->json)
        (void)printf("{\"event\":\"first\",\"sequence\":%llu}\n",
            (unsigned long long)message->sequence);
    else if (message->sequence > 1)
        (void)printf("the first event received is number %llu of its topic\n",
            (unsigned long long)message->sequence);
    end_line(report);
}

static void
print_message(const struct report *report, const struct message *message,
    const char *direction, int64_t now)
{
    if (report->options->json) {
        size_t len =
            message->body_len < TEXT_MAX ? message->body_len : TEXT_MAX;
        (void)printf(
            "{\"event\":\"message\",\"direction\":\"%s\",\"kind\":\"%s\"",
            direction, kinds[message->kind]);
        print_string("topic", message->topic, message->topic_len);
        (void)printf(",\"sequence\":%llu,\"sent\":%llu,\"length\":%zu",
            (unsigned long long)message->sequence,
            (unsigned long long)message->sent, message->body_len);
        print_string("text", message->body, len);
        (void)printf(",\"us\":%lld}\n", (long long)(now / CLOCK_US));
        return;
    }
    print_time(report, now, direction[0] == 's' ? "-> " : "<- ");
    (void)printf("%s %llu  ", kinds[message->kind],
        (unsigned long long)message->sequence);
    if (message->topic_len > 0) {
        text_show(
            stdout, message->topic, message->topic_len, message->topic_len);
        (void)fputs("  ", stdout);
    }
    text_show(stdout, message->body, message->body_len, SHOWN_MAX);
    if (message->body_len > SHOWN_MAX)
        (void)printf("... (%zu bytes)", message->body_len);
    if (direction[0] == 'r' && message->kind != MESSAGE_REQUEST &&
        message->sent != 0) {
        int64_t ns = (int64_t)((uint64_t)now - message->sent);
        (void)printf("  %lld us", (long long)(ns / CLOCK_US));
    }
    (void)putchar('\n');
}

void
report_sent(struct report *report, const struct message *message, int64_t now)
{
    if (report->options->quiet)
        return;
    print_message(report, message, "sent", now);
    end_line(report);
}

void
report_received(
    struct report *report, const struct message *message, int64_t now)
{
    if (report->options->quiet)
        return;
    print_message(report, message, "received", now);
    end_line(report);
}

static void
print_event(struct report *report, const char *event, const char *text)
{
    if (report->options->json) {
        (void)printf("{\"event\":\"%s\"", event);
        print_string("text", text, strlen(text));
        (void)printf(",\"us\":%lld}\n", (long long)(clock_now() / CLOCK_US));
        end_line(report);
    }
}

/* What the panel notices: on both streams, as an error. */
static void
hear(void *owner, const char *text)
{
    struct report *report = owner;
    print_event(report, "notice", text);
    print_failure(report->options->role, "%s", text);
}

int
report_open(struct report *ret, const struct options *options)
{
    *ret = (struct report){.options = options};
    notice_to(hear, ret);
    if (options->refused[0] == '\0')
        return 0;
    report_error(ret, options->refused, 0);
    return -1;
}

void
report_timeout(struct report *report, const char *what)
{
    char text[128];
    report->timeouts++;
    (void)snprintf(text, sizeof(text), "%s within %d ms", what,
        report->options->tuning.timeout_ms);
    print_event(report, "timeout", text);
    if (!report->options->json) {
        print_time(report, clock_now(), "-- ");
        (void)printf("%s\n", text);
        end_line(report);
    }
}

/* what NULL: several that were not printed. */
static void
print_malformed(struct report *report, const char *what, size_t len)
{
    char text[192];
    char first[96] = "further ones";
    uint64_t more = report->malformed - report->malformed_printed;
    report->malformed_printed = report->malformed;
    report->malformed_at = clock_now();
    if (what && len > 0)
        (void)snprintf(first, sizeof(first), "%s (%zu bytes)", what, len);
    else if (what)
        (void)snprintf(first, sizeof(first), "%s (it is empty)", what);
    (void)snprintf(text, sizeof(text),
        "malformed: %s; %llu since the last report, %llu in all", first,
        (unsigned long long)more, (unsigned long long)report->malformed);
    print_event(report, "malformed", text);
    print_failure(report->options->role, "%s", text);
}

void
report_malformed(struct report *report, const char *what, size_t len)
{
    report->malformed++;
    if (report->malformed == 1 || clock_now() - report->malformed_at >= CLOCK_S)
        print_malformed(report, what, len);
}

void
report_error(struct report *report, const char *text, int errnum)
{
    char whole[512];
    const char *words = "";
    if (errnum != 0)
        words = panel_strerror(errnum);
    (void)snprintf(whole, sizeof(whole), "%s: %s%s%s", report->options->url,
        text, errnum != 0 ? ": " : "", words);
    report->failed = true;
    print_event(report, "error", whole);
    print_failure(report->options->role, "%s", whole);
}

static void
print_count(const char *name, bool known, uint64_t count)
{
    if (known)
        (void)printf(",\"%s\":%llu", name, (unsigned long long)count);
    else
        (void)printf(",\"%s\":null", name);
}

/* Nanoseconds as microseconds: for people, tenths of them. */
static void
print_us(const char *format, uint64_t ns, bool json)
{
    char text[32];
    if (json)
        (void)snprintf(text, sizeof(text), "%llu.%03llu",
            (unsigned long long)(ns / CLOCK_US),
            (unsigned long long)(ns % CLOCK_US));
    else
        (void)snprintf(text, sizeof(text), "%.1f", (double)ns / CLOCK_US);
    (void)printf(format, text);
}

static void
print_latency(const struct latency *latency, bool json)
{
    static const struct {
        const char *name;
        uint64_t numerator, denominator;
    } quantiles[] = {
        {"p50", 50, 100},
        {"p90", 90, 100},
        {"p99", 99, 100},
        {"p999", 999, 1000},
    };
    print_us(json ? "{\"min\":%s" : "min %s", latency->min, json);
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
        uint64_t over = quantiles[i].denominator - quantiles[i].numerator;
        if (!json && latency->count * over < quantiles[i].denominator)
            break; /* of fewer messages none is above it but the largest */
        (void)printf(json ? ",\"%s\":" : "  %s ", quantiles[i].name);
        print_us("%s",
            latency_quantile(
                latency, quantiles[i].numerator, quantiles[i].denominator),
            json);
    }
    print_us(json ? ",\"max\":%s" : "  max %s", latency->max, json);
    print_us(
        json ? ",\"mean\":%s}" : "  mean %s\n", latency_mean(latency), json);
}

/* The number of messages that the role's rate is about. */
static uint64_t
main_count(const struct report *report)
{
    bool sends = report->options->role == ROLE_PUB;
    return sends ? report->sent : report->received;
}

static void
print_summary_json(const struct report *report)
{
    enum role role = report->options->role;
    int64_t ns = report->last - report->first;
    (void)printf("{\"event\":\"summary\"");
    print_string("panel", panel_name(), strlen(panel_name()));
    print_string("version", panel_version(), strlen(panel_version()));
    print_string("role", role_name(role), strlen(role_name(role)));
    print_count("sent", knows[role].sent, report->sent);
    print_count("received", knows[role].received, report->received);
    print_count("lost", knows[role].lost, report->lost);
    print_count("duplicates", knows[role].duplicates, report->duplicates);
    print_count("restarts", knows[role].restarts, report->restarts);
    print_count("malformed", knows[role].malformed, report->malformed);
    print_count("too_long", knows[role].too_long, report->too_long);
    print_count("timeouts", knows[role].timeouts, report->timeouts);
    (void)printf(",\"seconds\":%lld.%09lld", (long long)(ns / CLOCK_S),
        (long long)(ns % CLOCK_S));
    if (ns > 0) /* n messages span n - 1 intervals */
        (void)printf(",\"rate\":%.3f",
            (double)(main_count(report) - 1) * 1e9 / (double)ns);
    else
        (void)printf(",\"rate\":null");
    /* CLOCK_MONOTONIC, like the "us" of the other events. */
    print_count(
        "first_us", report->first != 0, (uint64_t)(report->first / CLOCK_US));
    print_count(
        "last_us", report->first != 0, (uint64_t)(report->last / CLOCK_US));
    (void)printf(",\"latency_us\":");
    if (knows[role].latency && report->latency.count > 0)
        print_latency(&report->latency, true);
    else
        (void)printf("null");
    (void)printf("}\n");
}

static void
print_summary_text(const struct report *report)
{
    enum role role = report->options->role;
    int64_t ns = report->last - report->first;
    const struct {
        const char *word;
        bool known; /* printed even if 0 */
        uint64_t count;
    } counts[] = {
        {"sent", knows[role].sent, report->sent},
        {"received", knows[role].received, report->received},
        {"lost", knows[role].lost, report->lost},
        {"duplicates", false, report->duplicates},
        {"restarts", false, report->restarts},
        {"malformed", false, report->malformed},
        {"too long", false, report->too_long},
        {"timed out", false, report->timeouts},
    };
    (void)printf("%s-%s:", panel_name(), role_name(role));
    const char *comma = "";
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        if (!counts[i].known && counts[i].count == 0)
            continue;
        (void)printf("%s %llu %s", comma, (unsigned long long)counts[i].count,
            counts[i].word);
        comma = ",";
    }
    if (ns > 0)
        (void)printf(" in %lld.%03lld s (%.0f a second)",
            (long long)(ns / CLOCK_S), (long long)(ns % CLOCK_S / CLOCK_MS),
            (double)(main_count(report) - 1) * 1e9 / (double)ns);
    (void)putchar('\n');
    if (report->latency.count > 0) {
        (void)printf("%s, us: ", role == ROLE_REQ ? "round trips" : "one way");
        print_latency(&report->latency, false);
    }
}

int
report_close(struct report *report, bool stopped)
{
    if (report->malformed > report->malformed_printed)
        print_malformed(report, NULL, 0);
    if (report->options->json)
        print_summary_json(report);
    else if (report->opened || !report->failed) /* else it never began */
        print_summary_text(report);
    int status = report->failed && !stopped ? EXIT_FAILED : EXIT_DONE;
    await_output(report);
    if (report->output_lost) { /* nobody reads, and it was told to end: R10 */
        (void)fflush(stdout);
        print_failure(report->options->role,
            "standard output was full: a part of it is lost");
        return status;
    }
    return output_ended(report->options->role) == EXIT_DONE ? status
                                                            : EXIT_FAILED;
}

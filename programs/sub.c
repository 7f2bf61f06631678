/*
 * PANEL-sub: receives events, counts the gaps in each topic's sequence, and
 * measures the time from the publisher. Written once; the panel is linked in.
 */
#include "clock.h"
#include "message.h"
#include "options.h"
#include "pattern.h"
#include "report.h"
#include "stop.h"
#include "topics.h"

#include <errno.h>
#include <string.h>

enum {
    CLOCK_EVERY = 64, /* at most so many events share one reading */
};

static struct report report;
static struct topics topics;

/* The last reading of the clock, and the `sent` for which it was taken. */
static int64_t now;
static uint64_t now_sent;
static unsigned now_uses;

/*
 * At full speed, a publisher reads the clock once for up to 64 events. To read
 * it here for each of them would cost more than receiving them, and add nothing
 * to the latency. So it is read once for each value of `sent`, which makes one
 * sample of the latency.
 */
static void
read_clock(const struct message *event)
{
    if (report.options->quiet && event->sent == now_sent && event->sent != 0 &&
        ++now_uses < CLOCK_EVERY)
        return;
    bool sample = event->sent != now_sent;
    now = clock_now();
    now_sent = event->sent;
    now_uses = 0;
    if (sample)
        latency_add(&report.latency, (int64_t)((uint64_t)now - event->sent));
}

/* Compares the event with its topic's last. False: it is a duplicate. */
static bool
follow_sequence(const struct message *event)
{
    struct topic *topic = topics_find(&topics, event->topic, event->topic_len);
    if (!topic)
        return true; /* too many topics: gaps in this one are not counted */
    if (topic->sequence != 0) {
        if (event->sequence > topic->sequence) {
            report.lost += event->sequence - topic->sequence - 1;
        } else if (event->sent > topic->sent) {
            report.restarts++;
        } else {
            report.duplicates++;
            return false;
        }
    }
    topic->sequence = event->sequence;
    topic->sent = event->sent;
    return true;
}

static void
receive(const void *data, size_t len)
{
    struct message event;
    if (message_decode(&event, data, len) < 0) {
        report_malformed(&report, "cannot decode an event", len);
        return;
    }
    if (event.kind != MESSAGE_EVENT || event.sequence == 0) {
        report_malformed(&report, "not an event", len);
        return;
    }
    read_clock(&event);
    if (follow_sequence(&event))
        report.received++;
    if (report.first == 0) {
        report.first = now;
        report_first(&report, &event);
    }
    report.last = now;
    report_received(&report, &event, now);
}

static void
receive_all(struct sub *sub)
{
    const struct options *options = report.options;
    uint64_t count = options->count > 0 ? (uint64_t)options->count : UINT64_MAX;
    while (report.received < count && !stop_requested()) {
        const void *data;
        ssize_t len = sub_recv(sub, &data);
        if (len >= 0) {
            receive(data, (size_t)len);
        } else if (errno == ETIMEDOUT) {
            report_timeout(&report, "no event");
            if (options->count > 0) {
                report.failed = true;
                return;
            }
        } else if (errno == EMSGSIZE) {
            report.too_long++;
        } else if (errno != EINTR) {
            report_error(&report, "cannot receive", errno);
            return;
        }
    }
    if (report.received > 1 && report.received == count)
        report.last = clock_now();
}

static int
subscribe(struct sub *sub, const struct options *options)
{
    if (options->topics_len == 0)
        return sub_subscribe(sub, "", 0);
    for (int i = 0; i < options->topics_len; i++) {
        const char *prefix = options->topics[i];
        if (sub_subscribe(sub, prefix, strlen(prefix)) < 0)
            return -1;
    }
    return 0;
}

int
main(int argc, char **argv)
{
    struct options options;
    struct sub *sub = NULL;
    options_read(&options, ROLE_SUB, argc, argv);
    if (report_open(&report, &options) < 0)
        goto done;
    if (sub_open(&sub, options.url, &options.tuning) < 0) {
        report_error(&report, "cannot connect", errno);
    } else if (subscribe(sub, &options) < 0) {
        report_error(&report, "cannot subscribe", errno);
    } else {
        report_ready(&report);
        receive_all(sub);
    }
done:
    sub_close(sub);
    options_close(&options);
    return report_close(&report, stop_requested());
}

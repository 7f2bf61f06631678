/*
 * PANEL-req: sends requests to a server, one after the other, checks each
 * reply, and times the round trips. Written once; the panel is linked in.
 */
#include "bodies.h"
#include "clock.h"
#include "message.h"
#include "options.h"
#include "pattern.h"
#include "report.h"
#include "stop.h"

#include <errno.h>
#include <string.h>

static struct report report;

/* Checks the reply to a request, and counts it. */
static void
check_reply(const struct message *request, const void *data, size_t len)
{
    struct message reply;
    int64_t now = clock_now();
    if (message_decode(&reply, data, len) < 0) {
        report_malformed(&report, "cannot decode a reply", len);
        report.failed = true;
        return;
    }
    if ((reply.kind != MESSAGE_REPLY && reply.kind != MESSAGE_ERROR) ||
        reply.topic_len > 0) {
        report_malformed(&report, "not a reply", len);
        report.failed = true;
        return;
    }
    report_received(&report, &reply, now);
    if (reply.kind == MESSAGE_ERROR) {
        report_error(&report, "the server answered with an error", 0);
    } else if (reply.sequence != request->sequence ||
        reply.sent != request->sent || reply.body_len != request->body_len ||
        memcmp(reply.body, request->body, reply.body_len) != 0) {
        report_error(&report, "wrong reply: it differs from the request", 0);
    } else {
        report.received++;
        if (request->sequence > report.options->warm_up)
            latency_add(&report.latency, now - (int64_t)request->sent);
        if (report.first == 0)
            report.first = now;
        report.last = now;
    }
}

/* Waits for the reply to a request sent at that time. -1: give up. */
static int
await_reply(struct req *req, const struct message *request, int64_t sent_at)
{
    const void *data;
    ssize_t len;
    int timeout_ms = report.options->tuning.timeout_ms;
    do {
        len = req_recv(req, &data);
    } while (len < 0 && errno == EINTR && !stop_requested() &&
        (timeout_ms < 0 ||
            clock_now() < sent_at + timeout_ms * (int64_t)CLOCK_MS));
    if (len < 0 && errno == EINTR && !stop_requested())
        errno = ETIMEDOUT; /* the process was suspended meanwhile */

    if (len >= 0) {
        check_reply(request, data, (size_t)len);
    } else if (errno == ETIMEDOUT) {
        report_timeout(&report, "no answer");
        report.failed = true;
    } else if (errno == EMSGSIZE) {
        report.too_long++;
        report_error(&report, "the reply is longer than -m", 0);
    } else if (errno != EINTR) {
        report_error(&report, "cannot receive", errno);
        return -1;
    }
    return 0;
}

/* Sends one request and waits for its reply. -1: give up. */
static int
round_trip(struct req *req, struct message *request)
{
    size_t len;
    int64_t now = clock_now();
    if (report.options->rate == 0)
        request->sent = (uint64_t)now;
    const void *data = bodies_encode(request, &len);
    int result;
    do {
        result = req_send(req, data, len);
    } while (result < 0 && errno == EINTR && !stop_requested());

    if (result == 0) {
        report.sent++;
        report_sent(&report, request, now);
        return await_reply(req, request, now);
    }
    if (errno == ETIMEDOUT) {
        report_timeout(&report, "not sent");
        report.failed = true;
    } else if (errno == EMSGSIZE) {
        report.too_long++;
        report_error(&report, "the request is longer than -m", 0);
    } else if (errno != EINTR) {
        report_error(&report, "cannot send", errno);
        return -1;
    }
    return 0;
}

static void
round_trips(struct req *req, struct bodies *bodies)
{
    const struct options *options = report.options;
    uint64_t count = options->count > 0 ? (uint64_t)options->count : UINT64_MAX;
    int64_t start = clock_now();
    for (uint64_t n = 0; n < count && !stop_requested(); n++) {
        struct message request = {.kind = MESSAGE_REQUEST, .sequence = n + 1};
        int result = bodies_next(bodies, &request);
        if (result < 0 && errno == EMSGSIZE) {
            report.too_long++;
            report_error(
                &report, "a line is longer than -m; it was skipped", 0);
            continue;
        }
        if (result < 0 && errno != EINTR)
            report_error(&report, "cannot read standard input", errno);
        if (result <= 0) {
            if (options->counted && options->count > 0 && !stop_requested())
                report_error(&report, "standard input ended before -n", 0);
            return;
        }
        if (options->rate > 0) {
            int64_t due = clock_due(start, n, options->rate);
            request.sent = (uint64_t)due;
            while (clock_sleep(due) < 0) {
                if (stop_requested())
                    return;
            }
        }
        if (round_trip(req, &request) < 0)
            return;
    }
}

int
main(int argc, char **argv)
{
    struct options options;
    struct bodies bodies = {0};
    struct req *req = NULL;
    options_read(&options, ROLE_REQ, argc, argv);
    if (report_open(&report, &options) < 0)
        goto done;
    if (bodies_open(&bodies, &options) < 0) {
        report_error(&report, "cannot prepare the bodies", errno);
    } else if (req_open(&req, options.url, &options.tuning) < 0) {
        report_error(&report, "cannot connect", errno);
    } else {
        report_ready(&report);
        round_trips(req, &bodies);
    }
done:
    req_close(req);
    bodies_close(&bodies);
    options_close(&options);
    return report_close(&report, stop_requested());
}

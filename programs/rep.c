/*
 * PANEL-rep: answers each request with the request's own body. Written once;
 * the panel is linked in.
 */
#include "clock.h"
#include "message.h"
#include "options.h"
#include "pattern.h"
#include "recent.h"
#include "report.h"
#include "stop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINGER_MS = 300, /* after the last reply: nanomsg loses a large reply if it
                        is closed at once (measured) */
};

static struct report report;
static struct recent recent;

/* Holds the encoded reply; grows to the largest. */
static unsigned char *buffer;
static size_t buffer_size;

/*
 * Makes the reply to a received message: an error if that is not a valid
 * request. Returns whether it is one.
 */
static bool
make_reply(struct message *reply, const void *data, size_t len)
{
    static const char sentence[] = "this is no request";
    struct message request = {0};
    bool good = message_decode(&request, data, len) == 0;
    if (good && (request.kind != MESSAGE_REQUEST || request.topic_len > 0)) {
        good = false;
        report_malformed(&report, "not a request", len);
    } else if (!good) {
        report_malformed(&report, "cannot decode a request", len);
    }
    *reply = (struct message){
        .kind = good ? MESSAGE_REPLY : MESSAGE_ERROR,
        .sequence = request.sequence,
        .sent = request.sent,
        .body = request.body,
        .body_len = request.body_len,
    };
    if (!good) {
        size_t room = report.options->tuning.message_max - MESSAGE_HEADER;
        size_t most = sizeof(sentence) - 1;
        reply->body = sentence;
        reply->body_len = most < room ? most : room;
        return false;
    }
    int64_t now = clock_now();
    report.received++;
    if (report.first == 0)
        report.first = now;
    report.last = now;
    if (recent_add(&recent, request.sequence, request.sent))
        report.duplicates++;
    report_received(&report, &request, now);
    return true;
}

/* Sends a reply. -1: give up. */
static int
send_reply(struct rep *rep, const struct message *reply)
{
    size_t len = message_length(reply);
    if (len > buffer_size) {
        unsigned char *larger = realloc(buffer, len);
        if (!larger) {
            report_error(&report, "cannot allocate a reply", errno);
            return -1;
        }
        buffer = larger;
        buffer_size = len;
    }
    /* It fits, and a reply has no topic to be wrong. */
    (void)message_encode(reply, buffer, buffer_size);
    int64_t now = report.options->quiet ? 0 : clock_now();
    if (rep_send(rep, buffer, len) < 0) {
        if (errno == EINTR)
            return 0; /* a signal: the loop will see it */
        report_error(&report, "cannot send", errno);
        return -1;
    }
    report.sent++;
    report_sent(&report, reply, now);
    return 0;
}

static void
work(int ms)
{
    int64_t until = clock_deadline(ms);
    while (clock_sleep(until) < 0 && !stop_requested())
        ;
}

static void
answer_all(struct rep *rep)
{
    const struct options *options = report.options;
    while (!stop_requested()) {
        const void *data;
        ssize_t len = rep_recv(rep, &data);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == ETIMEDOUT) {
            report_timeout(&report, "no request");
            if (options->count == 0)
                continue;
            report.failed = true;
            return;
        }
        if (len < 0) {
            report_error(&report, "cannot receive", errno);
            return;
        }
        struct message reply;
        bool good = make_reply(&reply, data, (size_t)len);
        if (good && options->work_ms > 0)
            work(options->work_ms);
        if (stop_requested())
            return;
        if (send_reply(rep, &reply) < 0)
            return;
        if (options->count > 0 && report.received >= (uint64_t)options->count) {
            work(LINGER_MS);
            return;
        }
    }
}

int
main(int argc, char **argv)
{
    struct options options;
    struct rep *rep = NULL;
    options_read(&options, ROLE_REP, argc, argv);
    if (report_open(&report, &options) < 0)
        goto done;
    if (rep_open(&rep, options.url, &options.tuning) < 0) {
        report_error(&report,
            errno == EADDRINUSE
                ? "address already in use; is another rep running? "
                  "Choose another address with -u"
                : "cannot bind",
            errno == EADDRINUSE ? 0 : errno);
    } else {
        report_ready(&report);
        answer_all(rep);
    }
done:
    rep_close(rep);
    free(buffer);
    options_close(&options);
    return report_close(&report, stop_requested());
}

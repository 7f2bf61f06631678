/*
 * PANEL-pub: publishes events, to its topics in turn. Written once; the panel
 * is linked in.
 */
#include "bodies.h"
#include "clock.h"
#include "message.h"
#include "options.h"
#include "pattern.h"
#include "process.h"
#include "report.h"
#include "stop.h"
#include "topics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLOCK_EVERY = 64, /* events between two readings of the clock at full
                         speed: one costs as much as the rest of the loop */
    IDLE_EVERY = 64, /* events between two turns of the panel, when late */
    IDLE_MAX_MS = 50, /* after that, looks whether a signal has come */
    INPUT_MS = 10, /* after that, looks at standard input */
};

static struct report report;
static struct topics topics;

/*
 * Calls pub_idle() until that time, in slices: a panel that always finds
 * something to do never waits, and then no signal interrupts it. -1: a signal,
 * or an error that was printed.
 */
static int
idle(struct pub *pub, int64_t until)
{
    for (;;) {
        int64_t slice = clock_now() + IDLE_MAX_MS * (int64_t)CLOCK_MS;
        int result = pub_idle(pub, until < slice ? until : slice);
        if (stop_requested())
            return -1;
        if (result < 0 && errno != EINTR) {
            report_error(&report, "cannot wait", errno);
            return -1;
        }
        if (result == 0 && until < slice)
            return 0;
    }
}

/* Waits for standard input; the panel works meanwhile. */
static int
await_input(void *owner)
{
    for (;;) {
        int ready = process_input();
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return ready > 0 ? 0 : -1;
        if (idle(owner, clock_now() + INPUT_MS * (int64_t)CLOCK_MS) < 0) {
            errno = EINTR;
            return -1;
        }
    }
}

/* Publishes one event. 1: done; 0: it was too long; -1: give up. */
static int
publish(struct pub *pub, const struct message *event)
{
    size_t len;
    const void *data = bodies_encode(event, &len);
    int result;
    do {
        result = pub_send(pub, data, len);
    } while (result < 0 && errno == EINTR && !stop_requested());
    if (result < 0 && errno == EMSGSIZE) {
        report.too_long++;
        report_error(&report, "the event is longer than -m", 0);
        return 0;
    }
    if (result < 0) {
        if (errno != EINTR)
            report_error(&report, "cannot publish", errno);
        return -1;
    }
    report.sent++;
    return 1;
}

/* Sets the next event's body and waits until it is due. 1; 0: the end; -1. */
static int
prepare_event(struct pub *pub, struct bodies *bodies, struct message *event,
    uint64_t n, int64_t start)
{
    const struct options *options = report.options;
    int result = bodies_next(bodies, event);
    if (result < 0 && errno == EMSGSIZE) {
        report.too_long++;
        report_error(&report, "a line is longer than -m; it was skipped", 0);
        return 1;
    }
    if (result < 0 && errno != EINTR)
        report_error(&report, "cannot read standard input", errno);
    if (result <= 0) {
        if (options->counted && options->count > 0 && !stop_requested())
            report_error(&report, "standard input ended before -n", 0);
        return result;
    }
    if (options->rate > 0) {
        int64_t due = clock_due(start, n, options->rate);
        event->sent = (uint64_t)due;
        /* If it is late, it does not idle after each event, to catch up. */
        if (n % IDLE_EVERY != 0 && clock_now() >= due)
            return 1;
        return idle(pub, due) < 0 ? -1 : 1;
    }
    return 1;
}

static void
publish_all(
    struct pub *pub, struct bodies *bodies, struct topic **names, int names_len)
{
    const struct options *options = report.options;
    uint64_t count = options->count > 0 ? (uint64_t)options->count : UINT64_MAX;
    bool every = !options->quiet || options->lines;
    int64_t start = clock_now();
    int64_t now = start;
    int turn = -1; /* n % names_len would divide for each event (measured) */
    for (uint64_t n = 0; n < count && !stop_requested(); n++) {
        turn = turn + 1 < names_len ? turn + 1 : 0;
        struct topic *topic = names[turn];
        struct message event = {
            .topic = topic->name,
            .topic_len = topic->len,
            .kind = MESSAGE_EVENT,
            .sequence = topic->sequence + 1,
        };
        if (prepare_event(pub, bodies, &event, n, start) <= 0)
            break;
        if (!event.body)
            continue; /* the line was skipped */
        if (every || n % CLOCK_EVERY == 0)
            now = clock_now();
        if (options->rate == 0)
            event.sent = (uint64_t)now;
        int result = publish(pub, &event);
        if (result < 0)
            break;
        if (result == 0)
            continue;
        topic->sequence++;
        report_sent(&report, &event, now);
        if (report.sent == 1)
            report.first = report.last = now;
    }
    if (report.sent > 1)
        report.last = clock_now();
}

int
main(int argc, char **argv)
{
    struct options options;
    struct bodies bodies = {0};
    struct pub *pub = NULL;
    struct topic **names = NULL;
    options_read(&options, ROLE_PUB, argc, argv);
    if (report_open(&report, &options) < 0)
        goto done;
    int names_len = options.topics_len > 0 ? options.topics_len : 1;
    if (bodies_open(&bodies, &options) < 0 ||
        !(names = calloc((size_t)names_len, sizeof(*names)))) {
        report_error(&report, "cannot prepare bodies and topics", errno);
        goto done;
    }
    if (options.topics_len == 0)
        names[0] = topics_find(&topics, "", 0);
    for (int i = 0; i < options.topics_len; i++)
        names[i] =
            topics_find(&topics, options.topics[i], strlen(options.topics[i]));

    if (pub_open(&pub, options.url, &options.tuning) < 0) {
        report_error(&report,
            errno == EADDRINUSE
                ? "address already in use; is another pub running? "
                  "Choose another address with -u"
                : "cannot bind",
            errno == EADDRINUSE ? 0 : errno);
        goto done;
    }
    report_ready(&report);
    bodies_wait(&bodies, await_input, pub);
    if (options.delay_ms == 0 ||
        idle(pub, clock_deadline(options.delay_ms)) == 0)
        publish_all(pub, &bodies, names, names_len);
done:
    pub_close(pub);
    bodies_close(&bodies);
    free(names);
    options_close(&options);
    return report_close(&report, stop_requested());
}

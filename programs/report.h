/*
 * What a program says and counts: lines for people, or JSON lines for scripts,
 * on standard output; warnings and errors on standard error.
 */
#ifndef REPORT_H
#define REPORT_H

#include "latency.h"
#include "message.h"
#include "options.h"

#include <stdbool.h>
#include <stdint.h>

struct report {
    const struct options *options;
    uint64_t sent;
    uint64_t received; /* well-formed; duplicates only by rep */
    uint64_t lost;
    uint64_t duplicates;
    uint64_t restarts;
    uint64_t malformed;
    uint64_t too_long;
    uint64_t timeouts;
    int64_t opened; /* when the panel's handle was */
    int64_t first; /* when the first and the last message were */
    int64_t last;
    bool failed; /* the exit status will be EXIT_FAILED */
    int64_t malformed_at; /* when malformed ones were last reported */
    uint64_t malformed_told; /* how many had been by then */
    struct latency latency;
};

/*
 * Large: not for the stack. -1: the system refuses what the command line asks
 * for, and that has been reported; report_close() is due all the same.
 */
int report_open(struct report *ret, const struct options *options);

/* Bound, or opened and subscribed. */
void report_ready(struct report *report);

/* The first event of a subscriber. */
void report_first(struct report *report, const struct message *message);

/* A message sent or received, and the time it was; not with --quiet. */
void report_sent(
    struct report *report, const struct message *message, int64_t now);
void report_received(
    struct report *report, const struct message *message, int64_t now);

/* Nothing came in time: counts it. */
void report_timeout(struct report *report, const char *what);

/* Bytes that are no message, or none that belongs here: counts them, and tells
 * at most once a second. */
void report_malformed(struct report *report, const char *what, size_t len);

/* A failure: the program will exit with EXIT_FAILED. errnum 0: text is all. */
void report_error(struct report *report, const char *text, int errnum);

/*
 * The end: prints the summary and returns the exit status. stopped: a signal
 * ended it, which is no failure.
 */
int report_close(struct report *report, bool stopped);

#endif

/*
 * A program's output and its counts. Standard output: lines for people, or JSON
 * lines for scripts. Standard error: warnings and errors.
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
    uint64_t received; /* well-formed; rep alone counts duplicates, too */
    uint64_t lost;
    uint64_t duplicates;
    uint64_t restarts;
    uint64_t malformed;
    uint64_t too_long;
    uint64_t timeouts;
    int64_t opened; /* time of report_ready() */
    int64_t first; /* time of the first message; 0: none yet */
    int64_t last; /* time of the last message */
    bool failed; /* the exit status will be EXIT_FAILED */
    int64_t output_until; /* a signal came: output waits until then; 0: none */
    bool output_lost; /* standard output did not take a line until then */
    int64_t malformed_at; /* time of the last line about malformed messages */
    uint64_t malformed_printed; /* their number at that time */
    struct latency latency;
};

/*
 * A report is too large for the stack. It tells what the panel notices, too
 * (notice.h). -1: the system refuses the URL, and that has been printed. The
 * caller must call report_close() even then.
 */
int report_open(struct report *ret, const struct options *options);

/* The program is bound, or it connects and has subscribed. */
void report_ready(struct report *report);

/* A subscriber has received its first event. */
void report_first(struct report *report, const struct message *message);

/* Prints a message that was sent or received; not with --quiet. */
void report_sent(
    struct report *report, const struct message *message, int64_t now);
void report_received(
    struct report *report, const struct message *message, int64_t now);

/* Counts and prints a time-out. */
void report_timeout(struct report *report, const char *what);

/*
 * Counts a message that is malformed or of the wrong kind. Prints at most one
 * line a second.
 */
void report_malformed(struct report *report, const char *what, size_t len);

/*
 * Prints a failure: the URL, the text, and the words for errnum unless it is 0.
 * The program will exit with EXIT_FAILED.
 */
void report_error(struct report *report, const char *text, int errnum);

/*
 * Prints the summary and returns the exit status. stopped: a signal ended the
 * program, which is no failure. For people there is no summary of a program
 * that failed before it began.
 */
int report_close(struct report *report, bool stopped);

#endif

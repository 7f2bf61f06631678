/* The command line of the four programs. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "address.h"
#include "pattern.h"

#include <stdbool.h>
#include <stdint.h>

enum role {
    ROLE_REQ,
    ROLE_REP,
    ROLE_PUB,
    ROLE_SUB,
};

/* The exit status of a program. */
enum {
    EXIT_DONE = 0, /* done, or ended by SIGINT or SIGTERM */
    EXIT_FAILED = 1, /* the system refused, or the work was not all done */
    EXIT_USAGE = 2, /* the command line is wrong */
};

struct options {
    enum role role;
    char url[ADDRESS_MAX]; /* literal */
    struct tuning tuning;
    int64_t count; /* 0: until stopped */
    bool counted; /* -n was given */
    int64_t rate; /* per second; 0: as fast as possible */
    uint64_t warm_up; /* the first round trips, which are not timed */
    int64_t size; /* bytes of each body; -1: the bodies are the texts */
    int work_ms;
    int delay_ms;
    char **topics; /* sub: prefixes; they point into the command line */
    int topics_len;
    char **texts; /* they point into the command line */
    int texts_len;
    bool lines; /* TEXT is "-": the bodies are lines of standard input */
    char refused[640]; /* why the system refuses url; empty if it does not */
    bool json;
    bool quiet;
};

/* The role's name: "req". */
const char *role_name(enum role role);

/* Prints "PANEL-ROLE: ..." on standard error. */
void print_failure(enum role role, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Writes out what is left of standard output; returns the exit status. If that
 * fails, it prints why.
 */
int output_ended(enum role role);

/*
 * Reads the command line and prepares the process: signals, the limit of
 * descriptors, the processor if --cpu names one. For -h, -V and wrong usage it
 * prints and exits. If the system refuses the URL, ret->refused says why.
 */
void options_read(struct options *ret, enum role role, int argc, char **argv);

/* Frees what options_read() allocated. */
void options_close(struct options *options);

#endif

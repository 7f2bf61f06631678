/*
 * A panel that follows a script, and a clock that moves only as the script says. With both, a
 * program of programs/ runs inside a unit, and each of its calls and figures is known beforehand.
 *
 *     run(WORDS("hello"), SCRIPT({"recv", .errnum = EINTR}, {"recv", .us = 7}));
 *     assert_string_equal(told->calls, "send request 1 at 1000000 hello\nrecv\nrecv\nclose\n");
 */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include "unit.h"

#include "message.h"

enum {
    BEGIN_US = 1000000, /* the clock, before anything has taken time */
    CALLS_MAX = 5000, /* a program that makes more does not end */
};

/*
 * What becomes of a call. The first step with the call's name that is left is taken. Without any,
 * the call succeeds at once; but a reception of rep or sub is then stopped as by SIGTERM, and one
 * of req returns the reply to what was sent last.
 */
struct step {
    /* open, subscribe, send, recv, idle; sleep: clock_sleep(); input, output: select(2) of these */
    const char *call;
    int errnum; /* it fails with this; 0: it succeeds */
    int leaves; /* errno after a success, where it means nothing */
    int us; /* it takes this long */
    int times; /* of such calls one after the other; 0: one */
    bool stop; /* SIGTERM arrives meanwhile */
    const char *input; /* arrives at standard input meanwhile; "": its end */
    struct message message; /* what recv returns; kind 0: raw */
    const char *raw;
    size_t raw_len;
};

/* Both arguments of run(). */
#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})
#define SCRIPT(...) ((const struct step[]){__VA_ARGS__, {0}})

/* What a program has said and done. */
struct told {
    char opened[80]; /* the URL, and the tuning: time-out, queue, limit */
    char calls[64 * 1024]; /* of the panel, and sleeps: a line each; times in us */
    size_t calls_len;
    unsigned calls_number;
    char output[64 * 1024];
    char errors[4096];
};

extern struct told *told;

/* The standard input of the next run; -1: it is closed. run() closes this. */
extern int input;

/* Makes this text the next run's whole input. */
void give_input(const char *text);

/* Makes its input a pipe that steps fill. */
void open_input(void);

/* Runs the program with -u URL and these words, which a NULL ends. Returns its exit status. */
int run(char **words, const struct step *steps);

/* A figure of the summary, after --json. */
long long figure(const char *name);

/* How many lines of the calls begin with this. */
unsigned called(const char *word);

/*
 * Of a program that reads lines: an input that ends before -n lines have come is a failure, and so
 * is one that cannot be read. The figure of this name counts the lines.
 */
void expect_how_input_ends(const char *name);

/* The program's own main(). */
int program_main(int argc, char **argv);

#endif

/*
 * What every baseline shares, and what is not the point of any: its command line, the two kinds of
 * sockets, the time of each round trip, and the line that it prints at the end.
 *
 * A baseline is the smallest program that could do a panel's work on the same substrate. It carries
 * messages of one length, known to both ends; there is no format, no check and no contract.
 */
#ifndef BASELINE_H
#define BASELINE_H

#include "latency.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The command line, and what is counted. One a program. */
struct baseline {
    const char *name; /* "baseline-epoll" */
    const char *version; /* of the library, if it has one */
    const char *role; /* the one argument: "req", "rep", "pub", ... */
    const char *url; /* -u tcp://127.0.0.1:PORT or ipc:///PATH */
    uint64_t count; /* -n messages; 0: until stopped */
    size_t size; /* -s bytes of a message, all told */
    int queue; /* -q messages, as the panels' -q; 0: the library's own */
    int peers; /* -c subscribers to publish to, or idle clients to be */
    const char *prefix; /* -T what subscribers subscribe to; "": everything */
    int delay_ms; /* -d: wait so long for subscribers before publishing */
    int64_t rate; /* -r requests a second; 0: the next when the last is answered */
    uint64_t warm_up; /* --warm-up: the first so many round trips are not timed */
    unsigned char *data; /* size bytes */
    struct latency latency;
    uint64_t sent;
    uint64_t received;
    int64_t start; /* when the first request was due; 0: not yet */
    int64_t first; /* when the first message was received, or sent; 0: none yet */
    int64_t last; /* when the clock was read last ... */
    uint64_t last_count; /* ... and how many had been received, or sent, by then */
};

/* Reads the command line, pins the process, catches signals. Ends the program if it is wrong. */
void baseline_open(struct baseline *baseline, const char *name, int argc, char **argv);

/* Whether the role is this one. */
bool baseline_is(const struct baseline *baseline, const char *role);

/* Says that the socket is open. */
void baseline_ready(const struct baseline *baseline);

/* Says what an option is, as the library itself tells when it is asked. */
void baseline_option(const char *name, long long value);

/* Whether there is another message to come, or to send. */
bool baseline_more(const struct baseline *baseline);

/* When the next request begins: now, or at its time, for which this waits (-r). */
int64_t baseline_turn(struct baseline *baseline);

/* A round trip that began then has ended, now: as in programs/req.c, both times are read next to
 * the calls of the library, and what is made of them is not timed. */
void baseline_round_trip(struct baseline *baseline, int64_t start);

/* So many more messages were received, or sent: reads the clock now and then. */
void baseline_received(struct baseline *baseline, uint64_t count);
void baseline_sent(struct baseline *baseline, uint64_t count);

/* Plain sockets: a listening one, a connected one, and the next client, all with TCP_NODELAY. */
int baseline_listen(const struct baseline *baseline);
int baseline_accept(int listener);
int baseline_connect(const struct baseline *baseline);

/* Ends the program if a call has failed, unless a signal ended it: then false. */
bool baseline_check(const struct baseline *baseline, bool good, const char *what);

/* Prints the summary. Returns the exit status. */
int baseline_close(struct baseline *baseline);

#endif

/*
 * What every floor shares, and what is not the point of any: its command line, the two kinds of
 * sockets, the time of each round trip, and the line that it prints at the end.
 *
 * A floor is the smallest program that could do a panel's work on the same substrate. It carries
 * messages of one length, known to both ends; there is no format, no check and no contract.
 */
#ifndef FLOOR_H
#define FLOOR_H

#include "latency.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The command line, and what is counted. One a program. */
struct floor {
    const char *name; /* "floor-epoll" */
    const char *version; /* of the library, if it has one */
    const char *role; /* the one argument: "req", "rep", "pub", ... */
    const char *url; /* -u tcp://127.0.0.1:PORT or ipc:///PATH */
    uint64_t count; /* -n messages; 0: until stopped */
    size_t size; /* -s bytes of a message, all told */
    int queue; /* -q messages, as the panels' -q; 0: the library's own */
    int peers; /* -c subscribers to publish to, or idle clients to be */
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
void floor_open(struct floor *floor, const char *name, int argc, char **argv);

/* Whether the role is this one. */
bool floor_is(const struct floor *floor, const char *role);

/* Says that the socket is open. */
void floor_ready(const struct floor *floor);

/* Says what an option is, as the library itself tells when it is asked. */
void floor_option(const char *name, long long value);

/* Whether there is another message to come, or to send. */
bool floor_more(const struct floor *floor);

/* When the next request begins: now, or at its time, for which this waits (-r). */
int64_t floor_turn(struct floor *floor);

/* A round trip that began then has ended, now: as in programs/req.c, both times are read next to the
 * calls of the library, and what is made of them is not timed. */
void floor_round_trip(struct floor *floor, int64_t start);

/* So many more messages were received, or sent: reads the clock now and then. */
void floor_received(struct floor *floor, uint64_t count);
void floor_sent(struct floor *floor, uint64_t count);

/* Plain sockets: a listening one, a connected one, and the next client, all with TCP_NODELAY. */
int floor_listen(const struct floor *floor);
int floor_accept(int listener);
int floor_connect(const struct floor *floor);

/* Ends the program if a call has failed, unless a signal ended it: then false. */
bool floor_check(const struct floor *floor, bool good, const char *what);

/* Prints the summary. Returns the exit status. */
int floor_close(struct floor *floor);

#endif

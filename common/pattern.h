/*
 * The interface that every panel implements: request/reply and
 * publish/subscribe, by role. The panel is chosen by the linker.
 *
 * All functions return 0 or a length on success, and -1 with errno on failure.
 * R1..R11 and P1..P9 are the clauses of CONTRACT.md. A handle belongs to one
 * thread. A signal ends a blocking call with EINTR. Addresses are literal, as
 * address_check() (address.h) makes them.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Given to every open; never NULL; 0 = the library's own default. */
struct tuning {
    int timeout_ms; /* of each blocking call; -1 waits for ever */
    int queue; /* pub, sub: messages held per subscriber at each end,
                  on top of kernel buffers */
    size_t message_max; /* bytes of a whole message, framing not counted */
};

struct req;
struct rep;
struct pub;
struct sub;

/*
 * Opens a requester that connects to url, now or as soon as a server is there
 * (R4). Sets *ret on success only; the caller closes it.
 */
int req_open(struct req **ret, const char *url, const struct tuning *tuning);

/*
 * Sends a request; a request still pending is given up (R2). The bytes are the
 * caller's and are not kept past the call. EMSGSIZE: longer than message_max.
 */
int req_send(struct req *req, const void *data, size_t len);

/*
 * Waits for the reply to the latest request and returns its length. *data is
 * lent: valid until the next req_recv or req_close. ETIMEDOUT: nothing in time
 * (R3); EMSGSIZE: the reply was longer than message_max (R8); EINTR: a signal,
 * the request is still pending. Out of turn: the library's own errno (R9).
 */
ssize_t req_recv(struct req *req, const void **data);

/* Closes at once; an unsent request is dropped. Accepts NULL. */
void req_close(struct req *req);

/*
 * Opens a replier bound to url. EADDRINUSE: the TCP address is taken (R10).
 * Sets *ret on success only; the caller closes it.
 */
int rep_open(struct rep **ret, const char *url, const struct tuning *tuning);

/*
 * Waits for a request from any client, fairly (R6), and returns its length.
 * *data is lent: valid until the next rep_recv or rep_close, and may be passed
 * to rep_send. ETIMEDOUT, EINTR as for req_recv.
 */
ssize_t rep_recv(struct rep *rep, const void **data);

/*
 * Answers the request received last. Never blocks on a client: a reply that it
 * will not take is dropped, and 0 returned (R6). EMSGSIZE: longer than
 * message_max, and the request is still to be answered. Out of turn: the
 * library's own errno (R9).
 */
int rep_send(struct rep *rep, const void *data, size_t len);

/* Waits at most 500 ms for replies still queued (R11). Accepts NULL. */
void rep_close(struct rep *rep);

/* Opens a publisher bound to url; as rep_open. */
int pub_open(struct pub **ret, const char *url, const struct tuning *tuning);

/*
 * Sends a message to every subscriber with a matching prefix (P1). Never blocks
 * on a subscriber: one that is behind by more than the queue loses messages
 * (P3); to nobody is success (P5). EMSGSIZE: longer than message_max.
 */
int pub_send(struct pub *pub, const void *data, size_t len);

/*
 * Sends what is queued, then works or sleeps until that CLOCK_MONOTONIC time,
 * in nanoseconds (0: does only what can be done now). To be called after each
 * paced message and before any wait of the caller's own. EINTR: a signal.
 *
 * It exists for panels without a thread of their own, which accept, read and
 * write nowhere else while the program has nothing to publish.
 */
int pub_idle(struct pub *pub, int64_t until_ns);

/* Waits at most 500 ms for what is queued (P6). Accepts NULL. */
void pub_close(struct pub *pub);

/* Opens a subscriber that connects to url, now or later (P4); as req_open. */
int sub_open(struct sub **ret, const char *url, const struct tuning *tuning);

/*
 * Asks for every message that begins with these bytes; len 0: all (P1). Holds
 * over reconnections (P4).
 */
int sub_subscribe(struct sub *sub, const void *prefix, size_t len);

/* Takes a subscription back. Of an unknown prefix: 0, and nothing (P1). */
int sub_unsubscribe(struct sub *sub, const void *prefix, size_t len);

/*
 * Waits for a message and returns its length. *data is lent: valid until the
 * next sub_recv or sub_close. EMSGSIZE: a message was longer than message_max,
 * the next one can be received (P7). ETIMEDOUT, EINTR as for req_recv.
 */
ssize_t sub_recv(struct sub *sub, const void **data);

/* Closes at once. Accepts NULL. */
void sub_close(struct sub *sub);

/* The panel's name in panels.txt, lower case: "zmq". */
const char *panel_name(void);

/*
 * "ZeroMQ 4.3.4": asked of the library at run time where it can tell, else as
 * it was built. The string is the panel's.
 */
const char *panel_version(void);

/*
 * The library's own words for an errno, its private ones included. Valid until
 * the next call.
 */
const char *panel_strerror(int errnum);

#endif

/*
 * The interface that every panel implements: request/reply and
 * publish/subscribe, one type for each role. The linker chooses the panel.
 *
 * Unless it says otherwise, a function returns 0 or a length on success, and -1
 * with errno on failure. R1..R11 and P1..P9 are the clauses of CONTRACT.md. A
 * handle must be used by one thread only. A signal ends a blocking call with
 * EINTR. A url is literal, as address_check() (address.h) makes it. What a
 * panel notices and cannot return, it tells with notice() (notice.h).
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The settings for every open; never NULL. 0: the library's own default. */
struct tuning {
    int timeout_ms; /* limit of each blocking call; -1: none */
    int queue; /* pub, sub: messages queued per subscriber at each end, in
                  addition to the kernel's buffers */
    size_t message_max; /* limit of a message in bytes, without framing */
};

struct req;
struct rep;
struct pub;
struct sub;

/*
 * Opens a requester that connects to url, now or as soon as a server listens
 * there (R4). Sets *ret on success only; the caller must close it.
 */
int req_open(struct req **ret, const char *url, const struct tuning *tuning);

/*
 * Sends a request, and gives up one that is still pending (R2). The bytes stay
 * the caller's; they are not used after the call. EMSGSIZE: longer than
 * message_max; after any other failure, no request is pending.
 */
int req_send(struct req *req, const void *data, size_t len);

/*
 * Waits for the reply to the latest request and returns its length. *data is
 * lent to the caller: valid until the next req_recv or req_close. ETIMEDOUT: no
 * reply in time (R3); EMSGSIZE: the reply was longer than message_max (R8);
 * EINTR: a signal came, and the request is still pending. Out of turn, errno is
 * the library's own (R9).
 */
ssize_t req_recv(struct req *req, const void **data);

/* Closes at once, and drops an unsent request. Accepts NULL. */
void req_close(struct req *req);

/*
 * Opens a replier bound to url. EADDRINUSE: the TCP address is in use (R10).
 * Sets *ret on success only; the caller must close it.
 */
int rep_open(struct rep **ret, const char *url, const struct tuning *tuning);

/*
 * Waits for a request from any client, fairly (R6), and returns its length.
 * *data is lent to the caller: valid until the next rep_recv or rep_close; it
 * may be passed to rep_send. ETIMEDOUT, EINTR as for req_recv.
 */
ssize_t rep_recv(struct rep *rep, const void **data);

/*
 * Sends the reply to the request received last. Never blocks on a client: if
 * the client does not take the reply, drops it and returns 0 (R6). EMSGSIZE:
 * longer than message_max; the request can still be answered. Out of turn,
 * errno is the library's own (R9).
 */
int rep_send(struct rep *rep, const void *data, size_t len);

/* Waits at most 500 ms for queued replies to be sent (R11). Accepts NULL. */
void rep_close(struct rep *rep);

/* Opens a publisher bound to url, as rep_open does. */
int pub_open(struct pub **ret, const char *url, const struct tuning *tuning);

/*
 * Sends a message to every subscriber with a matching prefix (P1). Never blocks
 * on a subscriber: one that is behind by more than the queue loses messages
 * (P3). Succeeds without any subscriber (P5). EMSGSIZE: longer than
 * message_max.
 */
int pub_send(struct pub *pub, const void *data, size_t len);

/*
 * Sends what is queued, then works or sleeps until that CLOCK_MONOTONIC time in
 * nanoseconds (0: does only what can be done now). The caller must call it
 * after each paced message and before it waits for anything else. EINTR: a
 * signal.
 *
 * Panels without a thread of their own need it: while the program publishes
 * nothing, they accept, read and write only in this call.
 */
int pub_idle(struct pub *pub, int64_t until_ns);

/* Waits at most 500 ms for queued messages to be sent (P6). Accepts NULL. */
void pub_close(struct pub *pub);

/* Opens a subscriber that connects to url, as req_open does (P4). */
int sub_open(struct sub **ret, const char *url, const struct tuning *tuning);

/*
 * Subscribes to every message that begins with these bytes; len 0: to all (P1).
 * The subscription survives a reconnection (P4).
 */
int sub_subscribe(struct sub *sub, const void *prefix, size_t len);

/* Unsubscribes. For an unknown prefix, returns 0 and does nothing (P1). */
int sub_unsubscribe(struct sub *sub, const void *prefix, size_t len);

/*
 * Waits for a message and returns its length. *data is lent to the caller:
 * valid until the next sub_recv or sub_close. EMSGSIZE: a message was longer
 * than message_max; the next call receives the next one (P7). ETIMEDOUT, EINTR
 * as for req_recv.
 */
ssize_t sub_recv(struct sub *sub, const void **data);

/* Closes at once. Accepts NULL. */
void sub_close(struct sub *sub);

/* The panel's name in panels.txt, lower case: "zmq". */
const char *panel_name(void);

/*
 * The library's name and version: "ZeroMQ 4.3.4". It is the version at run time
 * if the library has a function for that, else the one it was built with. The
 * string belongs to the panel.
 */
const char *panel_version(void);

/*
 * The library's text for an errno, including its private ones. Valid until the
 * next call.
 */
const char *panel_strerror(int errnum);

#endif

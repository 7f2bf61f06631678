/*
 * The smallest conversation that every library has: a pair, two ends of one
 * connection, each with the library's own defaults. For probes that ask each
 * library the same question. A message is SIZE bytes; on a plain stream, which
 * has no messages, SIZE bytes are what ends one.
 */
#ifndef TWO_ENDS_H
#define TWO_ENDS_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(WITH_ZMQ)
#include <zmq.h>
#elif defined(WITH_NN)
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/tcp.h>
#else
#include "plain.h"

#include <netinet/tcp.h>
#endif

enum {
    SIZE = 16,
};

static inline const char *
errno_name(int errnum)
{
    const char *name = strerrorname_np(errnum);
    return name ? name : "a private one";
}

#if defined(WITH_ZMQ)
static void *pair;

static inline int
pair_open(const char *url, int binds)
{
    pair = zmq_socket(zmq_ctx_new(), ZMQ_PAIR);
    return binds ? zmq_bind(pair, url) : zmq_connect(pair, url);
}

static inline int
pair_put(const char *message, int wait)
{
    return zmq_send(pair, message, SIZE, wait ? 0 : ZMQ_DONTWAIT);
}

static inline int
pair_get(char *message, int timeout_ms)
{
    zmq_setsockopt(pair, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    return zmq_recv(pair, message, SIZE, 0);
}
#elif defined(WITH_NN)
static int pair;

static inline int
pair_open(const char *url, int binds)
{
    pair = nn_socket(AF_SP, NN_PAIR);
    return binds ? nn_bind(pair, url) : nn_connect(pair, url);
}

static inline int
pair_put(const char *message, int wait)
{
    return nn_send(pair, message, SIZE, wait ? 0 : NN_DONTWAIT);
}

static inline int
pair_get(char *message, int timeout_ms)
{
    nn_setsockopt(pair, NN_SOL_SOCKET, NN_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    return nn_recv(pair, message, SIZE, 0);
}
#else
static int pair;

/* tcp://1.2.3.4:PORT; waits for the other end, as the libraries do by themselves. */
static inline int
pair_open(const char *url, int binds)
{
    if (binds) {
        int listener = plain_listen(url);
        pair = accept(listener, NULL, NULL);
        close(listener);
        return pair;
    }
    while ((pair = plain_connect(url)) < 0)
        usleep(10000);
    return 0;
}

static inline int
pair_put(const char *message, int wait)
{
    return (int)send(pair, message, SIZE, wait ? 0 : MSG_DONTWAIT);
}

static inline int
pair_get(char *message, int timeout_ms)
{
    struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    setsockopt(pair, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return (int)recv(pair, message, SIZE, MSG_WAITALL);
}
#endif

#endif

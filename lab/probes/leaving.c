/*
 * A publisher sends one large message and leaves at once: in which way, so that
 * the message arrives? With the library's defaults, to one subscriber.
 *
 *   leaving URL BYTES exit     by exit alone, nothing is closed
 *   leaving URL BYTES close    closes its socket, then exit
 *   leaving URL BYTES wait     as it is meant to be: ZeroMQ also ends its
 *                              context; nanomsg and NNG have nothing that waits,
 *                              so they wait for another line; a plain socket
 *                              first reads what the subscriber has said
 *
 * Waits for a line on standard input between bind and send.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(WITH_ZMQ)
#include <zmq.h>
#elif defined(WITH_NN)
#include <nanomsg/nn.h>
#include <nanomsg/pubsub.h>
#else
#include "bytes.h"
#include "plain.h"
#endif

static int
wait_for_line(int result)
{
    char line[16];
    printf("{\"event\":\"%s\"}\n", result < 0 ? "failed" : "ready");
    fflush(stdout);
    return result < 0 || !fgets(line, sizeof(line), stdin) ? -1 : 0;
}

#if defined(WITH_ZMQ)
static int
publish(const char *url, const void *data, size_t len, const char *how)
{
    void *ctx = zmq_ctx_new();
    void *pub = zmq_socket(ctx, ZMQ_PUB);
    if (wait_for_line(zmq_bind(pub, url)) < 0)
        return -1;
    int sent = zmq_send(pub, data, len, 0);
    if (strcmp(how, "exit") != 0)
        zmq_close(pub);
    if (strcmp(how, "wait") == 0)
        zmq_ctx_term(ctx);
    return sent;
}
#elif defined(WITH_NN)
static int
publish(const char *url, const void *data, size_t len, const char *how)
{
    int pub = nn_socket(AF_SP, NN_PUB);
    if (wait_for_line(nn_bind(pub, url)) < 0)
        return -1;
    int sent = nn_send(pub, data, len, 0);
    char line[16];
    if (strcmp(how, "wait") == 0)
        (void)!fgets(line, sizeof(line), stdin);
    if (strcmp(how, "exit") != 0)
        nn_close(pub);
    return sent;
}
#else
/* raw's subscriber: a length before each message, and it says what it wants. */
static int
publish(const char *url, const void *data, size_t len, const char *how)
{
    char asked[64];
    unsigned char prefix[4];
    int listener = plain_listen(url);
    if (wait_for_line(listener) < 0)
        return -1;
    int fd = accept(listener, NULL, NULL);
    put_u32(prefix, (uint32_t)len);
    if (strcmp(how, "wait") == 0)
        (void)!recv(fd, asked, sizeof(asked), 0);
    ssize_t sent = send(fd, prefix, sizeof(prefix), MSG_MORE);
    for (size_t done = 0; sent >= 0 && done < len; done += (size_t)sent)
        sent = send(fd, (const char *)data + done, len - done, 0);
    if (strcmp(how, "exit") != 0)
        close(fd);
    return (int)sent;
}
#endif

int
main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    size_t len = strtoul(argv[2], NULL, 10);
    char *data = calloc(len + 1, 1);
    if (!data)
        return 1;
    memcpy(data, "00000001", len < 8 ? len : 8);
    int sent = publish(argv[1], data, len, argv[3]);
    printf("{\"event\":\"left\",\"sent\":%s}\n", sent < 0 ? "false" : "true");
    fflush(stdout);
    _exit(0); /* as exit(3) for the libraries, without their destructors */
}

/*
 * A ZeroMQ server that answers one request and ends at once. zmq_send() has only handed the reply
 * to the library's thread; whether that gets to send it depends on how the process ends.
 *
 *   exit-zmq exit|close|term URL BYTES
 *
 * exit: nothing is closed; close: zmq_close(); term: that, and zmq_ctx_term(), which waits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

int
main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t len = strtoul(argv[3], NULL, 10);
    char request[64];
    char *reply = calloc(1, len);
    void *ctx = zmq_ctx_new();
    void *socket = ctx ? zmq_socket(ctx, ZMQ_REP) : NULL;
    if (!reply || !socket || zmq_bind(socket, argv[2]) < 0)
        return 1;
    puts("{\"event\":\"ready\"}");
    fflush(stdout);

    if (zmq_recv(socket, request, sizeof(request), 0) < 0 || zmq_send(socket, reply, len, 0) < 0)
        return 1;
    if (strcmp(argv[1], "exit") != 0)
        (void)zmq_close(socket);
    if (strcmp(argv[1], "term") == 0)
        (void)zmq_ctx_term(ctx);
    return 0; /* no less than exit(3): what a careless program does */
}

/*
 * What ZeroMQ says when a program binds or connects to an address, every option as it comes.
 *
 *   address-zmq bind|connect URL
 *
 * One JSON line; then it waits for the end of its input, still bound or connecting.
 */
#include "answer.h"

#include <errno.h>
#include <zmq.h>

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int binds = strcmp(argv[1], "bind") == 0;
    void *ctx = zmq_ctx_new();
    void *socket = ctx ? zmq_socket(ctx, binds ? ZMQ_REP : ZMQ_REQ) : NULL;
    if (!socket)
        return 1;
    int result = binds ? zmq_bind(socket, argv[2]) : zmq_connect(socket, argv[2]);
    answer(result, result < 0 ? zmq_strerror(errno) : "");
    while (getchar() != EOF)
        ;
    return 0;
}

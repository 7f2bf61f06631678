/*
 * What nanomsg, or NNG, says when a program binds or connects to an address, every option as it
 * comes.
 *
 *   address-nanomsg bind|connect URL        address-nng likewise
 *
 * One JSON line; then it waits for the end of its input, still bound or connecting.
 */
#include "answer.h"

#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int binds = strcmp(argv[1], "bind") == 0;
    int socket = nn_socket(AF_SP, binds ? NN_REP : NN_REQ);
    if (socket < 0)
        return 1;
    int result = binds ? nn_bind(socket, argv[2]) : nn_connect(socket, argv[2]);
    answer(result < 0 ? -1 : 0, result < 0 ? nn_strerror(nn_errno()) : "");
    while (getchar() != EOF)
        ;
    return 0;
}

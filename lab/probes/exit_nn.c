/*
 * A nanomsg (or NNG) server that answers one request and ends at once. nn_send() has only handed
 * the reply to the library; whether it gets to send it depends on how the process ends.
 *
 *   exit-nanomsg exit|close|pause URL BYTES        exit-nng likewise
 *
 * exit: nothing is closed; close: nn_close(), for which NN_LINGER does nothing (it reads as 0);
 * pause: a line on standard input ends a pause, then nn_close().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

int
main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t len = strtoul(argv[3], NULL, 10);
    char request[64];
    char *reply = calloc(1, len);
    int socket = nn_socket(AF_SP, NN_REP);
    if (!reply || socket < 0 || nn_bind(socket, argv[2]) < 0)
        return 1;
    puts("{\"event\":\"ready\"}");
    fflush(stdout);

    if (nn_recv(socket, request, sizeof(request), 0) < 0 || nn_send(socket, reply, len, 0) < 0)
        return 1;
    if (strcmp(argv[1], "pause") == 0) {
        puts("{\"event\":\"sent\"}");
        fflush(stdout);
        (void)getchar();
    }
    if (strcmp(argv[1], "exit") != 0)
        (void)nn_close(socket);
    return 0; /* no less than exit(3): what a careless program does */
}

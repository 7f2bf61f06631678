/*
 * A nanomsg (or NNG) client that gives up on a request and asks the next one, every option as it
 * comes.
 *
 *   late-reply-nanomsg defaults URL        late-reply-nng likewise
 */
#include "late_reply.h"

#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>

int
main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int timeout = GIVE_UP_MS, longer = WAIT_MS;
    char text[64];
    int socket = nn_socket(AF_SP, NN_REQ);
    if (socket < 0)
        return 1;
    nn_setsockopt(socket, NN_SOL_SOCKET, NN_RCVTIMEO, &timeout, sizeof(timeout));
    if (nn_connect(socket, argv[2]) < 0 || nn_send(socket, "one", 3, 0) < 0)
        return 1;

    (void)getchar();
    int n = nn_recv(socket, text, sizeof(text), 0);
    say("gave up", n < 0 ? nn_strerror(nn_errno()) : "", text, n < 0 ? 0 : n);
    int result = nn_send(socket, "two", 3, 0);
    say("asked again", result < 0 ? nn_strerror(nn_errno()) : "", "", 0);
    nn_setsockopt(socket, NN_SOL_SOCKET, NN_RCVTIMEO, &longer, sizeof(longer));
    n = nn_recv(socket, text, sizeof(text), 0);
    say("received", n < 0 ? nn_strerror(nn_errno()) : "", text, n < 0 ? 0 : n);
    nn_close(socket);
    return 0;
}

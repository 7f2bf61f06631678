/* Any bytes: no message, or the one message that these very bytes encode. */
#include "message.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
must(int condition)
{
    if (!condition)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct message message;
    errno = 0;
    if (message_decode(&message, data, len) < 0) {
        must(errno == EBADMSG);
        return 0;
    }
    must(message.topic_len <= MESSAGE_TOPIC_MAX);
    must(message_length(&message) == len);
    unsigned char *again = malloc(len);
    must(again != NULL);
    must(message_encode(&message, again, len) == (ssize_t)len);
    must(memcmp(again, data, len) == 0);
    must(message_encode(&message, again, len - 1) == -1 && errno == EMSGSIZE);
    free(again);
    return 0;
}

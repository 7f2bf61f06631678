/*
 * What common/ costs a message: encodes and decodes one of 64 bytes, many times, and prints the
 * nanoseconds of one: the median of many short rounds, so that one that was interrupted does not
 * count. The compiler must not see that it is always the same message, hence the barriers.
 */
#include "clock.h"
#include "median.h"
#include "message.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LENGTH = 64, /* of the whole message */
    MESSAGES = 20000, /* in a round */
    ROUNDS = 501,
};

/* Tells the compiler that memory may have changed. */
static void
barrier(const void *data)
{
    __asm__ volatile("" : : "r"(data) : "memory");
}

int
main(void)
{
    unsigned char body[LENGTH - MESSAGE_HEADER] = {0};
    unsigned char buffer[LENGTH];
    static int64_t times[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = clock_now();
        for (uint64_t n = 1; n <= MESSAGES; n++) {
            struct message message = {
                .kind = MESSAGE_EVENT,
                .sequence = n,
                .sent = n,
                .body = body,
                .body_len = sizeof(body),
            };
            struct message decoded;
            barrier(&message);
            if (message_encode(&message, buffer, sizeof(buffer)) != LENGTH)
                return EXIT_FAILURE;
            barrier(buffer);
            if (message_decode(&decoded, buffer, sizeof(buffer)) < 0 || decoded.sequence != n)
                return EXIT_FAILURE;
            barrier(&decoded);
        }
        times[round] = clock_now() - start;
    }
    (void)printf("{\"event\":\"codec\",\"bytes\":%d,\"ns\":%.2f}\n", LENGTH,
        (double)median_of(times, ROUNDS) / MESSAGES);
    return EXIT_SUCCESS;
}

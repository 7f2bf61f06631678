/*
 * What common/ costs a message: encodes and decodes one of 64 bytes, many times, and prints the
 * nanoseconds of one: the median of many short rounds, so that one that was interrupted does not
 * count. The compiler must not see that it is always the same message, hence the barriers.
 *
 * In turns with these rounds, others store and load the same fields with no check at all. That
 * takes as long as the processor takes: a read of what several small stores have just made waits
 * for all of them. The ratio of the two belongs to common/.
 */
#include "bytes.h"
#include "clock.h"
#include "median.h"
#include "message.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LENGTH = 64, /* of the whole message */
    BODY = LENGTH - MESSAGE_HEADER,
    MESSAGES = 20000, /* in a round */
    ROUNDS = 501,
};

static unsigned char body[BODY];
static unsigned char buffer[LENGTH];

/* Tells the compiler that memory may have changed. */
static void
barrier(const void *data)
{
    __asm__ volatile("" : : "r"(data) : "memory");
}

static bool
checked(const struct message *message, struct message *decoded)
{
    if (message_encode(message, buffer, sizeof(buffer)) != LENGTH)
        return false;
    barrier(buffer);
    return message_decode(decoded, buffer, sizeof(buffer)) == 0;
}

/* The same bytes and fields, and nothing that could fail. */
static bool
bare(const struct message *message, struct message *decoded)
{
    buffer[0] = 0;
    buffer[1] = MESSAGE_VERSION;
    buffer[2] = (unsigned char)message->kind;
    buffer[3] = buffer[4] = 0;
    put_u32(buffer + 5, (uint32_t)message->body_len);
    put_u64(buffer + 9, message->sequence);
    put_u64(buffer + 17, message->sent);
    memcpy(buffer + MESSAGE_HEADER, message->body, BODY);
    barrier(buffer);
    *decoded = (struct message){
        .topic = (const char *)buffer,
        .kind = (enum message_kind)buffer[2],
        .sequence = get_u64(buffer + 9),
        .sent = get_u64(buffer + 17),
        .body = buffer + MESSAGE_HEADER,
        .body_len = get_u32(buffer + 5),
    };
    return true;
}

/* How long a round takes. */
static int64_t
time_of(bool (*work)(const struct message *message, struct message *decoded))
{
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
        if (!work(&message, &decoded) || decoded.sequence != n)
            exit(EXIT_FAILURE);
        barrier(&decoded);
    }
    return clock_now() - start;
}

int
main(void)
{
    static int64_t times[ROUNDS];
    static int64_t bare_times[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        times[round] = time_of(checked);
        bare_times[round] = time_of(bare);
    }
    double ns = (double)median_of(times, ROUNDS) / MESSAGES;
    double bare_ns = (double)median_of(bare_times, ROUNDS) / MESSAGES;
    (void)printf(
        "{\"event\":\"codec\",\"bytes\":%d,\"ns\":%.2f,\"bare_ns\":%.2f}\n", LENGTH, ns, bare_ns);
    return EXIT_SUCCESS;
}

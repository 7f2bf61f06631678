/*
 * The log in any order of appending, collecting and sending in part, held against a model: a
 * message's number decides its bytes, so the test knows from numbers alone what a subscriber must
 * have received since last time. A message begins with its number modulo 14, so that a
 * subscription to every second or seventh message is a set of prefixes.
 */
#include "unit.h"

#include "frame.h"
#include "log.h"

enum {
    SUBSCRIBERS = 4,
    STEPS = 60000,
    REMAINDERS = 14, /* divisible by each modulus */
    LONGEST = 40000, /* bytes of a message; a few of them fill the smallest ring */
    PIECES = 16,
};

struct subscriber {
    struct cursor cursor;
    unsigned modulus; /* wants numbers divisible by it, */
    struct prefixes prefixes; /* which is what these say */
};

static struct log messages;
static unsigned char scratch[FRAME_LENGTH + LONGEST];

/* Mostly short, sometimes long; the same for the same number. */
static size_t
length_of(uint64_t number)
{
    uint64_t seed = number * 2654435761u + 1;
    size_t max = random_below(&seed, 30) == 0 ? LONGEST : 300;
    return 8 + random_below(&seed, max - 8);
}

/* Writes the frame of a message to scratch; returns its length. */
static size_t
frame_of(uint64_t number)
{
    size_t len = length_of(number);
    size_t head = frame_head(scratch, false, 0, len);
    memset(scratch + head, (int)(number * 31 & 255), len);
    scratch[head] = (unsigned char)(number % REMAINDERS);
    memcpy(scratch + head + 1, &number, sizeof(number) - 1);
    return head + len;
}

static void
subscribe(struct subscriber *subscriber)
{
    for (unsigned r = 0; r < REMAINDERS; r += subscriber->modulus) {
        unsigned char prefix = (unsigned char)r;
        size_t len = subscriber->modulus > 1 ? 1 : 0;
        assert_int_equal(prefixes_add(&subscriber->prefixes, &prefix, len), 0);
    }
}

/* Takes frames off a stream given in pieces, and knows which are to come. */
struct check {
    struct subscriber *subscriber;
    uint64_t number; /* of the next frame, if it is wanted */
    size_t at; /* bytes of it that came already */
    uint64_t then; /* the number to go on from, at least */
};

static void
check_bytes(struct check *check, const unsigned char *data, size_t len)
{
    while (len > 0) {
        while (check->number % check->subscriber->modulus != 0)
            check->number++;
        size_t left = frame_of(check->number) - check->at;
        size_t n = left < len ? left : len;
        assert_memory_equal(data, scratch + check->at, n);
        check->at += n;
        data += n;
        len -= n;
        if (n == left) {
            check->number = check->number < check->then ? check->then : check->number + 1;
            check->at = 0;
        }
    }
}

/* Sends a subscriber what it is to have, of which the "kernel" takes only a part. */
static void
serve(struct subscriber *subscriber, uint64_t *seed)
{
    const struct prefixes *prefixes = &subscriber->prefixes;
    struct iovec iov[PIECES];
    struct cursor *cursor = &subscriber->cursor;
    uint64_t next;
    int iov_max = (int)(1 + random_below(seed, PIECES));
    size_t bytes_max = 1 + random_below(seed, 100000);
    int count = log_collect(&messages, cursor, prefixes, iov, iov_max, bytes_max, &next);
    assert_in_range(count, 0, iov_max);
    struct check check = {
        .subscriber = subscriber,
        .number = cursor->next < messages.first ? messages.first : cursor->next,
    };
    if (cursor->sent > 0) { /* the rest of that message, and then what was said */
        check.then = check.number;
        check.number = cursor->begun;
        check.at = cursor->sent;
    }
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        assert_true(i == 0 || (char *)iov[i - 1].iov_base + iov[i - 1].iov_len != iov[i].iov_base);
        total += iov[i].iov_len;
    }
    size_t sent = random_below(seed, 3) == 0 ? total : random_below(seed, total + 1);
    size_t left = sent;
    for (int i = 0; i < count; i++) {
        size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;
        check_bytes(&check, iov[i].iov_base, n);
        left -= n;
    }
    if (sent == total) {
        log_release(&messages, cursor);
        cursor->next = next;
    } else {
        log_move(&messages, cursor, prefixes, sent);
    }
    /* The cursor knows where it stopped; and all that is wanted up to it was sent. */
    assert_false(log_has_lost(&messages, cursor));
    assert_int_equal(check.at, cursor->sent);
    assert_in_range(cursor->next, 0, messages.end);
    if (check.at > 0) {
        assert_int_equal(check.number, cursor->begun);
        check.number++;
    }
    for (; check.number < cursor->next; check.number++)
        assert_int_not_equal(check.number % subscriber->modulus, 0);
}

static uint64_t
needed_number(const struct subscriber *subscribers)
{
    uint64_t needed = messages.end;
    for (int i = 0; i < SUBSCRIBERS; i++) {
        const struct cursor *cursor = &subscribers[i].cursor;
        uint64_t number = cursor->sent > 0 ? cursor->begun : cursor->next;
        if (number < needed)
            needed = number;
    }
    return needed;
}

/* Adds a message, and checks that nothing was forgotten, and nothing grew, without reason. */
static void
append(const struct subscriber *subscribers)
{
    size_t size = messages.size, records = messages.records_size;
    uint64_t first = messages.first, needed = needed_number(subscribers);
    size_t len = frame_of(messages.end) - FRAME_LENGTH;
    unsigned char *copy = exact_copy(scratch + FRAME_LENGTH, len);
    assert_int_equal(log_append(&messages, copy, len, needed), 0);
    free(copy);
    assert_in_range(messages.first, first, messages.end - 1);
    assert_in_range(messages.end - messages.first, 1, messages.queue);
    if (messages.first > first && messages.first > needed)
        assert_int_equal(messages.end - messages.first, messages.queue);
    /* It grows when all that is there is needed; else the oldest goes. */
    if (messages.size > size || messages.records_size > records)
        assert_true(messages.first >= needed);
    assert_in_range(messages.size, LOG_BYTES_MIN, LOG_BYTES_MAX);
}

static void
run(uint64_t queue, uint64_t seed)
{
    struct subscriber subscribers[SUBSCRIBERS] = {
        {.modulus = 1}, {.modulus = 2}, {.modulus = 7}, {.modulus = 1}};
    for (int i = 0; i < SUBSCRIBERS; i++)
        subscribe(&subscribers[i]);
    assert_int_equal(log_open(&messages, queue), 0);
    unsigned lazy = 0; /* who is served seldom, for a while */
    for (int step = 0; step < STEPS; step++) {
        unsigned what = (unsigned)random_below(&seed, 100);
        if (what == 0)
            lazy = (unsigned)random_below(&seed, SUBSCRIBERS);
        if (what < 50) {
            append(subscribers);
        } else {
            unsigned i = (unsigned)random_below(&seed, SUBSCRIBERS);
            if (i != lazy || what == 99)
                serve(&subscribers[i], &seed);
        }
    }
    for (int i = 0; i < SUBSCRIBERS; i++) {
        while (subscribers[i].cursor.next < messages.end || subscribers[i].cursor.sent > 0)
            serve(&subscribers[i], &seed);
        prefixes_clear(&subscribers[i].prefixes);
    }
    assert_int_equal(messages.copied, 0);
    log_close(&messages);
}

static void
test_a_short_queue(void **state)
{
    (void)state;
    run(1, 11);
    run(5, 12);
    run(100, 13);
}

static void
test_a_long_queue(void **state)
{
    (void)state;
    run(1000, 14);
    run(1000000, 15);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_short_queue),
        cmocka_unit_test(test_a_long_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

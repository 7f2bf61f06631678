/*
 * A subscriber as the publisher sees it: how much is read of it in a turn, and until when; and what
 * it is sent after a write has stopped inside a message.
 */
#include "unit.h"

#include "endpoint.h"
#include "subscriber.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TURN = 64, /* subscriptions that a turn takes at most */
    LARGE = 4 << 20, /* bytes of a message that no buffer of the kernel's holds */
};

static char folder[] = "/tmp/unit-subscriber-XXXXXX";
static struct server server;
static struct log messages;
static int client;

static int
setup(void **state)
{
    (void)state;
    char url[64];
    bool done;
    (void)snprintf(url, sizeof(url), "ipc://%s/socket", folder);
    if (server_open(&server, url, sizeof(struct subscriber), subscriber_cleanup) < 0 ||
        log_open(&messages, 100) < 0)
        return -1;
    client = endpoint_connect(&server.listener.address, &done);
    return client < 0 || loop_turn(&server.loop, LOOP_NOW);
}

static int
teardown(void **state)
{
    (void)state;
    server_close(&server);
    log_close(&messages);
    return client < 0 ? 0 : close(client);
}

/* Sends that many frames in one write: a byte, and a prefix of four bytes. */
static void
send_subscriptions(unsigned char what, unsigned count)
{
    static unsigned char frames[1000 * 9];
    assert_true(count <= 1000);
    for (unsigned i = 0; i < count; i++) {
        const unsigned char frame[] = {
            0, 0, 0, 5, what, 'p', 'q', (unsigned char)(i >> 8), (unsigned char)i};
        memcpy(frames + i * sizeof(frame), frame, sizeof(frame));
    }
    assert_int_equal(write(client, frames, count * 9), count * 9);
}

/* Takes a turn, and the next subscriber of the queue. */
static struct subscriber *
next_subscriber(void)
{
    (void)loop_turn(&server.loop, LOOP_NOW);
    struct peer *peer = server_next_peer(&server);
    assert_non_null(peer);
    return (struct subscriber *)peer;
}

static void
test_a_storm_takes_many_turns(void **state)
{
    (void)state;
    size_t count = 0;
    send_subscriptions(1, 1000);
    for (int turns = 0; count < 1000; turns++) {
        struct subscriber *subscriber = next_subscriber();
        assert_int_equal(subscriber_read(subscriber, &messages), 0);
        assert_in_range(subscriber->prefixes.count, count, count + TURN);
        count = subscriber->prefixes.count;
        if (count < 1000) /* it need not send anything to have its next turn */
            assert_true(subscriber->peer.queued);
        assert_in_range(turns, 0, 40);
    }
    send_subscriptions(0, 1000);
    while (count > 0) {
        struct subscriber *subscriber = next_subscriber();
        assert_int_equal(subscriber_read(subscriber, &messages), 0);
        assert_in_range(subscriber->prefixes.count, count > TURN ? count - TURN : 0, count);
        count = subscriber->prefixes.count;
    }
}

static void
test_what_was_sent_before_the_end_is_taken(void **state)
{
    (void)state;
    size_t count = 0;
    int result;
    send_subscriptions(1, 300);
    assert_int_equal(close(client), 0);
    client = -1;
    struct subscriber *subscriber;
    do {
        subscriber = next_subscriber();
        result = subscriber_read(subscriber, &messages);
        count = subscriber->prefixes.count;
    } while (result == 0);
    assert_int_equal(count, 300);
    peer_close(&subscriber->peer);
    assert_true(LIST_EMPTY(&server.peers));
}

static void
test_what_is_no_subscription_ends_it(void **state)
{
    (void)state;
    static const unsigned char frames[][8] = {{0, 0, 0, 0}, {0, 0, 0, 1, 2}, {0, 0, 4, 2}};
    static const size_t lens[] = {4, 5, 4};
    for (size_t i = 0; i < LENGTH(frames); i++) {
        bool done;
        int other = endpoint_connect(&server.listener.address, &done);
        assert_int_equal(write(other, frames[i], lens[i]), lens[i]);
        (void)loop_turn(&server.loop, LOOP_NOW);
        struct subscriber *subscriber = next_subscriber();
        assert_int_equal(subscriber_read(subscriber, &messages), -1);
        peer_close(&subscriber->peer);
        assert_int_equal(close(other), 0);
    }
}

static void
test_the_longest_prefix(void **state)
{
    (void)state;
    unsigned char frame[4 + 1 + PREFIX_MAX] = {0, 0, (1 + PREFIX_MAX) >> 8, 1, 1};
    assert_int_equal(write(client, frame, sizeof(frame)), sizeof(frame));
    struct subscriber *subscriber = next_subscriber();
    assert_int_equal(subscriber_read(subscriber, &messages), 0);
    assert_int_equal(subscriber->prefixes.count, 1);
    assert_false(prefixes_match(&subscriber->prefixes, frame + 5, PREFIX_MAX - 1));
    assert_true(prefixes_match(&subscriber->prefixes, frame + 5, PREFIX_MAX));
}

/* Subscribes to everything, or ends that. */
static struct subscriber *
subscribes(unsigned char what)
{
    const unsigned char frame[] = {0, 0, 0, 1, what};
    assert_int_equal(write(client, frame, sizeof(frame)), sizeof(frame));
    struct subscriber *subscriber = next_subscriber();
    assert_int_equal(subscriber_read(subscriber, &messages), 0);
    return subscriber;
}

/* A message all of whose bytes are the same. */
static void
publish(int byte, size_t len)
{
    unsigned char *data = malloc(len);
    assert_non_null(data);
    memset(data, byte, len);
    assert_int_equal(log_append(&messages, data, len, 0), 0);
    free(data);
}

/* One that has a part of a large message, and of which the kernel takes no more. */
static struct subscriber *
stalled(void)
{
    struct subscriber *subscriber = subscribes(1);
    publish('a', LARGE);
    assert_int_equal(subscribers_flush(&server, &messages), 0);
    assert_in_range(subscriber->cursor.sent, 1, LARGE);
    assert_true(subscriber->peer.conn.full);
    return subscriber;
}

/* What the client gets until nothing more comes, or as many bytes as asked for. */
static size_t
receive(unsigned char *ret, size_t most)
{
    size_t got = 0;
    while (got < most && !subscribers_up_to_date(&server)) {
        ssize_t n = recv(client, ret + got, most - got, MSG_DONTWAIT);
        assert_true(n > 0);
        got += (size_t)n;
        (void)loop_turn(&server.loop, LOOP_NOW);
        (void)subscribers_flush(&server, &messages);
    }
    while (got < most) {
        ssize_t n = recv(client, ret + got, most - got, MSG_DONTWAIT);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

/* The log forgets the message meanwhile, and what follows it goes on behind it. */
static void
test_a_message_begun_is_sent_to_its_end(void **state)
{
    (void)state;
    static unsigned char got[LARGE + 1000];
    (void)stalled();
    for (int i = 0; i < 200; i++)
        publish('b', 5);
    assert_int_equal(messages.first, 101);
    assert_int_equal(receive(got, sizeof(got)), FRAME_LENGTH + LARGE + 100 * (FRAME_LENGTH + 5));
    for (size_t i = FRAME_LENGTH; i < FRAME_LENGTH + LARGE; i++)
        assert_int_equal(got[i], 'a');
    assert_memory_equal(got + FRAME_LENGTH + LARGE, "\0\0\0\5bbbbb", 9);
    assert_int_equal(messages.copied, 0);
}

/* It gets the rest, and then what was published since it has subscribed anew. */
static void
test_subscribed_anew_inside_a_message(void **state)
{
    (void)state;
    static unsigned char got[LARGE + 1000];
    (void)stalled();
    (void)subscribes(0);
    publish('b', 5);
    (void)subscribes(1);
    publish('c', 5);
    assert_int_equal(receive(got, sizeof(got)), 2 * FRAME_LENGTH + LARGE + 5);
    assert_int_equal(got[FRAME_LENGTH + LARGE - 1], 'a');
    assert_memory_equal(got + FRAME_LENGTH + LARGE, "\0\0\0\5ccccc", 9);
}

static void
test_one_that_leaves_inside_a_message_holds_nothing(void **state)
{
    (void)state;
    struct subscriber *subscriber = stalled();
    assert_int_equal(messages.records[0].holders, 1);
    peer_close(&subscriber->peer);
    assert_int_equal(messages.records[0].holders, 0);
}

/* After a part of a message only the rest of it can follow. */
static void
test_one_whose_message_is_gone_is_closed(void **state)
{
    (void)state;
    (void)stalled();
    messages.gone = messages.end;
    (void)subscribers_flush(&server, &messages);
    assert_true(LIST_EMPTY(&server.peers));
    assert_int_equal(messages.records[0].holders, 0);
}

#define SUBSCRIBER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SUBSCRIBER_TEST(test_a_storm_takes_many_turns),
        SUBSCRIBER_TEST(test_what_was_sent_before_the_end_is_taken),
        SUBSCRIBER_TEST(test_what_is_no_subscription_ends_it),
        SUBSCRIBER_TEST(test_the_longest_prefix),
        SUBSCRIBER_TEST(test_a_message_begun_is_sent_to_its_end),
        SUBSCRIBER_TEST(test_subscribed_anew_inside_a_message),
        SUBSCRIBER_TEST(test_one_that_leaves_inside_a_message_holds_nothing),
        SUBSCRIBER_TEST(test_one_whose_message_is_gone_is_closed),
    };
    if (!mkdtemp(folder))
        return 1;
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) == 0 ? result : 1;
}

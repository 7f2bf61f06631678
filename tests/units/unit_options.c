/* The command line: each option sets what it names and nothing else, from its first value to its
 * last; what is wrong exits with 2. */
#include "unit.h"

#include "message.h"
#include "options.h"
#include "topics.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WORDS = 8, /* of a command line, the address included */
};

/* Reads PROGRAM -u URL and the words, which a NULL ends. */
static struct options
read_words(enum role role, char **words)
{
    static char *argv[WORDS + 1]; /* the options point into it */
    int argc = 0;
    argv[argc++] = "program";
    argv[argc++] = "-u";
    argv[argc++] = "tcp://127.0.0.1:5555";
    while (*words)
        argv[argc++] = *words++;
    argv[argc] = NULL;
    struct options options;
    optind = 0; /* getopt_long(3): begin anew */
    options_read(&options, role, argc, argv);
    return options;
}

/* The exit status for these words; 0: they are accepted. */
static int
status_of(enum role role, char **words)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(null, STDERR_FILENO);
        (void)read_words(role, words);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
assert_same(const struct options *a, const struct options *b)
{
    assert_int_equal(a->role, b->role);
    assert_string_equal(a->url, b->url);
    assert_int_equal(a->tuning.timeout_ms, b->tuning.timeout_ms);
    assert_int_equal(a->tuning.queue, b->tuning.queue);
    assert_int_equal(a->tuning.message_max, b->tuning.message_max);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->counted, b->counted);
    assert_int_equal(a->rate, b->rate);
    assert_int_equal(a->warm_up, b->warm_up);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->work_ms, b->work_ms);
    assert_int_equal(a->delay_ms, b->delay_ms);
    assert_int_equal(a->topics_len, b->topics_len);
    assert_int_equal(a->texts_len, b->texts_len);
    assert_int_equal(a->lines, b->lines);
    assert_string_equal(a->refused, b->refused);
    assert_int_equal(a->json, b->json);
    assert_int_equal(a->quiet, b->quiet);
}

static void
test_defaults(void **state)
{
    (void)state;
    for (enum role role = ROLE_REQ; role <= ROLE_SUB; role++) {
        struct options options = read_words(role, (char *[]){NULL});
        struct options expected = {
            .role = role,
            .url = "tcp://127.0.0.1:5555",
            .tuning = {.timeout_ms = role == ROLE_REQ ? 2000 : -1,
                .queue = 1000,
                .message_max = 32 << 20},
            .count = role == ROLE_REQ || role == ROLE_PUB,
            .size = -1,
        };
        assert_same(&options, &expected);
        options_close(&options);
    }
}

/* An option with a number, its bounds, and the field that it sets. */
struct numeric {
    char *option;
    enum role role;
    int64_t min, max;
    size_t offset, size; /* of the field */
    bool counted;
};
#define FIELD(name) offsetof(struct options, name), sizeof(((struct options *)0)->name)

static const struct numeric numerics[] = {
    {"-n", ROLE_REQ, 0, INT64_MAX, FIELD(count), true},
    {"-s", ROLE_REQ, 0, (32 << 20) - MESSAGE_HEADER, FIELD(size), false},
    {"-r", ROLE_PUB, 0, 1000000000, FIELD(rate), false},
    {"-d", ROLE_PUB, 0, 1000000000, FIELD(delay_ms), false},
    {"-w", ROLE_REP, 0, 1000000000, FIELD(work_ms), false},
    {"-t", ROLE_SUB, 1, 1000000000, FIELD(tuning.timeout_ms), false},
    {"-q", ROLE_SUB, 0, 1000000000, FIELD(tuning.queue), false},
    {"-m", ROLE_REP, MESSAGE_HEADER, 1 << 30, FIELD(tuning.message_max), false},
    {"--warm-up", ROLE_REQ, 0, 1000000000, FIELD(warm_up), false},
};

static void
test_numbers(void **state)
{
    (void)state;
    for (const struct numeric *n = numerics; n < numerics + LENGTH(numerics); n++) {
        char text[32];
        char *words[] = {n->option, text, NULL};
        int64_t values[] = {n->min, n->min + 7, n->max};
        for (size_t i = 0; i < LENGTH(values); i++) {
            (void)snprintf(text, sizeof(text), "%lld", (long long)values[i]);
            struct options options = read_words(n->role, words);
            struct options expected = read_words(n->role, (char *[]){NULL});
            memcpy((char *)&expected + n->offset, &values[i], n->size); /* little-endian */
            expected.counted = n->counted;
            assert_same(&options, &expected);
            options_close(&options);
            options_close(&expected);
        }
        (void)snprintf(
            text, sizeof(text), "%lld", (long long)n->min - (n->option[1] == 't' ? 3 : 1));
        assert_int_equal(status_of(n->role, words), EXIT_USAGE);
        if (n->max < INT64_MAX)
            (void)snprintf(text, sizeof(text), "%lld", (long long)n->max + 1);
        else
            (void)snprintf(text, sizeof(text), "9223372036854775808");
        assert_int_equal(status_of(n->role, words), EXIT_USAGE);
        char *wrong[] = {"", "x", "7x", "1e3", "-"};
        for (size_t i = 0; i < LENGTH(wrong); i++)
            assert_int_equal(status_of(n->role, (char *[]){n->option, wrong[i], NULL}), EXIT_USAGE);
        assert_int_equal(status_of(n->role, (char *[]){n->option, NULL}), EXIT_USAGE);
    }
}

static void
test_no_limit(void **state)
{
    (void)state;
    struct options options = read_words(ROLE_REQ, (char *[]){"-t", "-1", NULL});
    assert_int_equal(options.tuning.timeout_ms, -1);
    options_close(&options);
    assert_int_equal(status_of(ROLE_REQ, (char *[]){"-t", "0", NULL}), EXIT_USAGE);
}

static void
test_switches(void **state)
{
    (void)state;
    struct options options = read_words(ROLE_SUB, (char *[]){"--json", NULL});
    struct options expected = read_words(ROLE_SUB, (char *[]){NULL});
    expected.json = true;
    assert_same(&options, &expected);
    options_close(&options);
    options = read_words(ROLE_SUB, (char *[]){"--quiet", NULL});
    expected.json = false;
    expected.quiet = true;
    assert_same(&options, &expected);
    options_close(&options);
    options_close(&expected);
    for (enum role role = ROLE_REQ; role <= ROLE_SUB; role++) {
        assert_int_equal(status_of(role, (char *[]){"-h", NULL}), EXIT_DONE);
        assert_int_equal(status_of(role, (char *[]){"-V", NULL}), EXIT_DONE);
        assert_int_equal(status_of(role, (char *[]){"--cpu", "0", NULL}), EXIT_DONE);
        assert_int_equal(status_of(role, (char *[]){"--cpu", "-1", NULL}), EXIT_USAGE);
        assert_int_equal(status_of(role, (char *[]){"-z", NULL}), EXIT_USAGE);
        assert_int_equal(status_of(role, (char *[]){"--warm-up", "1", NULL}),
            role == ROLE_REQ ? EXIT_DONE : EXIT_USAGE);
    }
}

static void
test_texts(void **state)
{
    (void)state;
    struct options options = read_words(ROLE_PUB, (char *[]){"one", "two", "three", NULL});
    assert_int_equal(options.texts_len, 3);
    assert_string_equal(options.texts[2], "three");
    assert_int_equal(options.count, 3);
    assert_false(options.lines || options.counted);
    options_close(&options);
    options = read_words(ROLE_REQ, (char *[]){"-", NULL});
    assert_true(options.lines);
    assert_int_equal(options.count, 0);
    options_close(&options);
    options = read_words(ROLE_REQ, (char *[]){"-n", "5", "one", NULL});
    assert_int_equal(options.count, 5);
    options_close(&options);
    assert_int_equal(status_of(ROLE_REQ, (char *[]){"-", "one", NULL}), EXIT_USAGE);
    assert_int_equal(status_of(ROLE_REQ, (char *[]){"one", "-", NULL}), EXIT_USAGE);
    assert_int_equal(status_of(ROLE_REQ, (char *[]){"-s", "0", "one", NULL}), EXIT_USAGE);
    assert_int_equal(status_of(ROLE_REP, (char *[]){"one", NULL}), EXIT_USAGE);
    assert_int_equal(status_of(ROLE_SUB, (char *[]){"one", NULL}), EXIT_USAGE);
}

/* The message that a program would send may be as long as -m says, and no longer. */
static void
test_lengths(void **state)
{
    (void)state;
    char fits[8], longer[8];
    (void)snprintf(fits, sizeof(fits), "%d", MESSAGE_HEADER + 5);
    (void)snprintf(longer, sizeof(longer), "%d", MESSAGE_HEADER + 4);
    assert_int_equal(status_of(ROLE_REQ, (char *[]){"-m", fits, "a", "seven", NULL}), EXIT_DONE);
    assert_int_equal(status_of(ROLE_REQ, (char *[]){"-m", longer, "seven", "a", NULL}), EXIT_USAGE);
    assert_int_equal(status_of(ROLE_REQ, (char *[]){"-m", fits, "-s", "5", NULL}), EXIT_DONE);
    assert_int_equal(status_of(ROLE_REQ, (char *[]){"-m", longer, "-s", "5", NULL}), EXIT_USAGE);
    char topic[MESSAGE_TOPIC_MAX + 2];
    memset(topic, 't', sizeof(topic));
    topic[sizeof(topic) - 1] = '\0';
    assert_int_equal(status_of(ROLE_SUB, (char *[]){"-T", topic, NULL}), EXIT_USAGE);
    topic[MESSAGE_TOPIC_MAX] = '\0';
    assert_int_equal(status_of(ROLE_SUB, (char *[]){"-T", topic, NULL}), EXIT_DONE);
    assert_int_equal(
        status_of(ROLE_PUB, (char *[]){"-T", "t", "-m", fits, "four", NULL}), EXIT_DONE);
    assert_int_equal(
        status_of(ROLE_PUB, (char *[]){"-T", "t", "-m", fits, "seven", NULL}), EXIT_USAGE);
}

/* As many topics as there is room for. */
static void
test_topics(void **state)
{
    (void)state;
    static char *argv[2 * (TOPICS_MAX + 1) + 4] = {"program", "-u", "tcp://127.0.0.1:5555"};
    int argc = 3;
    for (int i = 0; i < TOPICS_MAX; i++) {
        argv[argc++] = "-T";
        argv[argc++] = i == TOPICS_MAX - 1 ? "last" : "t";
    }
    struct options options;
    optind = 0;
    options_read(&options, ROLE_PUB, argc, argv);
    assert_int_equal(options.topics_len, TOPICS_MAX);
    assert_string_equal(options.topics[TOPICS_MAX - 1], "last");
    options_close(&options);
    argv[argc++] = "-T";
    argv[argc++] = "one more";
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        optind = 0;
        options_read(&options, ROLE_PUB, argc, argv);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), EXIT_USAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

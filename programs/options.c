/*
 * The command line of the four programs. One getopt loop serves all of them;
 * each role has its own letters. A wrong command line exits with 2, and what
 * the system refuses exits with 1, each with a sentence that says what to do.
 */
#include "options.h"

#include "json.h"
#include "message.h"
#include "process.h"
#include "stop.h"
#include "topics.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_TIMEOUT_MS = 2000, /* req; the others wait for ever */
    DEFAULT_QUEUE = 1000, /* messages */
    DEFAULT_MAX = 32 << 20, /* bytes of a message */
    LIMIT_MAX = 1 << 30, /* -s, -m: nanomsg takes an int, and adds to it */
    LIMIT_COUNT = 1000000000, /* every other number but -n and --cpu */
    OPTION_CPU = 256, /* long options without a letter */
    OPTION_JSON,
    OPTION_QUIET,
    OPTION_WARM_UP,
};

static const struct {
    const char *name;
    const char *letters;
    const char *usage;
    bool binds;
} roles[] = {
    [ROLE_REQ] = {"req", "u:n:s:r:t:q:m:hV",
        "-u URL [-n COUNT] [-s BYTES] [-r PER_SECOND] [OPTION...] [TEXT...]\n"
        "Sends requests to a server, one after the other, and checks each "
        "reply.\n"
        "\n"
        "  -n COUNT       requests to send (default: one per TEXT; 0: until "
        "stopped)\n"
        "  -s BYTES       send bodies of this length instead of TEXTs\n"
        "  -r PER_SECOND  send at this rate (default 0: as fast as possible);\n"
        "                 if it is late, it sends at once what was due\n"
        "  --warm-up N    do not time the first N round trips (default 0)\n"
        "  TEXT           the body of a request; \"-\": one for each line of "
        "stdin\n",
        false},
    [ROLE_REP] = {"rep", "u:n:w:t:q:m:hV",
        "-u URL [-w WORK_MS] [-n COUNT] [OPTION...]\n"
        "Answers each request with the request's own body.\n"
        "\n"
        "  -n COUNT       requests to answer (default 0: until stopped)\n"
        "  -w WORK_MS     sleep this long before each answer\n",
        true},
    [ROLE_PUB] = {"pub", "u:T:n:s:r:d:t:q:m:hV",
        "-u URL [-T TOPIC]... [-n COUNT] [-s BYTES] [-r PER_SECOND] [-d MS]\n"
        "       [OPTION...] [TEXT...]\n"
        "Publishes events, to the topics in turn.\n"
        "\n"
        "  -T TOPIC       publish on this topic (default: the empty topic)\n"
        "  -n COUNT       events to send (default: one per TEXT; 0: until "
        "stopped)\n"
        "  -s BYTES       send bodies of this length instead of TEXTs\n"
        "  -r PER_SECOND  send at this rate (default 0: as fast as possible);\n"
        "                 if it is late, it sends at once what was due\n"
        "  -d MS          wait this long for subscribers before the first "
        "event\n"
        "  TEXT           the body of an event; \"-\": one for each line of "
        "stdin\n",
        true},
    [ROLE_SUB] = {"sub", "u:T:n:t:q:m:hV",
        "-u URL [-T PREFIX]... [-n COUNT] [OPTION...]\n"
        "Receives the events whose topics begin with a prefix, and counts "
        "gaps.\n"
        "\n"
        "  -T PREFIX      subscribe to this prefix (default: to everything)\n"
        "  -n COUNT       events to receive (default 0: until stopped)\n",
        false},
};

const char *
role_name(enum role role)
{
    return roles[role].name;
}

void
print_failure(enum role role, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    char *end = text + strlen(text);
    for (char *p = text; p < end;) {
        size_t n = json_character(p, (size_t)(end - p));
        if (n == 0 || json_is_control(p, n)) {
            n += n == 0;
            memset(p, '?', n); /* one line, and harmless to a terminal */
        }
        p += n;
    }
    (void)fprintf(stderr, "%s-%s: %s\n", panel_name(), role_name(role), text);
}

int
output_ended(enum role role)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    print_failure(role, "standard output: %s", strerror(errno));
    return EXIT_FAILED;
}

static void
print_help(enum role role)
{
    (void)printf(
        "usage: %s-%s %s"
        "  -u URL         tcp://HOST:PORT%s or ipc:///PATH\n"
        "  -t TIMEOUT_MS  limit of each wait; -1: none (default %d)\n"
        "  -q QUEUE       messages queued per subscriber (default %d; 0: the\n"
        "                 library's default)\n"
        "  -m MAX_BYTES   limit of a whole message (default %d)\n"
        "  --cpu N        run on this processor only, with the library's "
        "threads\n"
        "  --json         JSON lines on stdout, for scripts\n"
        "  --quiet        no line per message\n"
        "  -h, -V         print this help; print the panel and its library's "
        "version\n"
        "\n"
        "Exit status: 0 done, or stopped by SIGINT or SIGTERM; 1 the system\n"
        "refused something, or not all was done; 2 wrong usage.\n",
        panel_name(), role_name(role), roles[role].usage,
        roles[role].binds ? " (\"*\": every address)" : "",
        role == ROLE_REQ ? DEFAULT_TIMEOUT_MS : -1, DEFAULT_QUEUE, DEFAULT_MAX);
}

static void __attribute__((noreturn, format(printf, 2, 3)))
refuse(enum role role, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    print_failure(role, "%s (-h shows the usage)", text);
    exit(EXIT_USAGE);
}

static int64_t
number(enum role role, const char *option, const char *text, int64_t min,
    int64_t max)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < min || value > max)
        refuse(role, "%s %s: expected a number from %lld to %lld", option, text,
            (long long)min, (long long)max);
    return value;
}

static void
pin_to_cpu(enum role role, unsigned cpu)
{
    if (process_pin(cpu) < 0) {
        print_failure(role, "--cpu %u: %s; `nproc` prints how many there are",
            cpu, strerror(errno));
        exit(EXIT_FAILED);
    }
}

/* Checks what needs the whole command line. */
static void
check_options(struct options *options, const char *url)
{
    enum role role = options->role;
    if (!url)
        refuse(role, "no address: -u URL is required");
    const char *why;
    if (address_check(options->url, url, roles[role].binds, &why) < 0) {
        if (errno == EINVAL)
            refuse(role, "%s: %s", url, why);
        (void)snprintf(options->refused, sizeof(options->refused), "%s", why);
        (void)snprintf(options->url, sizeof(options->url), "%s", url);
    }
    if (options->texts_len > 0 && role != ROLE_REQ && role != ROLE_PUB)
        refuse(role, "%s: this program takes no TEXT", options->texts[0]);
    if (options->texts_len > 0 && options->size >= 0)
        refuse(role, "-s and TEXT exclude each other: both set the body");

    size_t topic_max = 0;
    for (int i = 0; i < options->topics_len; i++) {
        size_t len = strlen(options->topics[i]);
        if (len > MESSAGE_TOPIC_MAX)
            refuse(role, "-T: topic of %zu bytes; the maximum is %d", len,
                MESSAGE_TOPIC_MAX);
        if (len > topic_max)
            topic_max = len;
    }
    size_t body_max = options->size > 0 ? (size_t)options->size : 0;
    for (int i = 0; i < options->texts_len; i++) {
        size_t len = strlen(options->texts[i]);
        if (len > body_max)
            body_max = len;
        if (strcmp(options->texts[i], "-") == 0) {
            options->lines = true;
            if (options->texts_len > 1)
                refuse(role, "\"-\" (standard input) must be the only TEXT");
        }
    }
    size_t head = MESSAGE_HEADER + (role == ROLE_PUB ? topic_max : 0);
    if (body_max + head > options->tuning.message_max)
        refuse(role, "message of %zu bytes (body: %zu); -m allows %zu",
            body_max + head, body_max, options->tuning.message_max);
}

void
options_read(struct options *ret, enum role role, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"cpu", required_argument, NULL, OPTION_CPU},
        {"json", no_argument, NULL, OPTION_JSON},
        {"quiet", no_argument, NULL, OPTION_QUIET},
        {"warm-up", required_argument, NULL, OPTION_WARM_UP},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    process_open(&argc, &argv);
    *ret = (struct options){
        .role = role,
        .tuning =
            {
                .timeout_ms = role == ROLE_REQ ? DEFAULT_TIMEOUT_MS : -1,
                .queue = DEFAULT_QUEUE,
                .message_max = DEFAULT_MAX,
            },
        .size = -1,
    };
    ret->topics = calloc((size_t)argc, sizeof(*ret->topics));
    if (!ret->topics) {
        print_failure(role, "%s", strerror(errno));
        exit(EXIT_FAILED);
    }
    const char *url = NULL;
    int cpu = -1;
    int letter;
    opterr = 0;
    while ((letter = getopt_long(
                argc, argv, roles[role].letters, long_options, NULL)) != -1) {
        switch (letter) {
        case 'u':
            url = optarg;
            break;
        case 'T':
            ret->topics[ret->topics_len++] = optarg;
            if (ret->topics_len > TOPICS_MAX)
                refuse(role, "-T: more than %d topics", TOPICS_MAX);
            break;
        case 'n':
            ret->count = number(role, "-n", optarg, 0, INT64_MAX);
            ret->counted = true;
            break;
        case 's':
            ret->size = number(role, "-s", optarg, 0, LIMIT_MAX);
            break;
        case 'r':
            ret->rate = number(role, "-r", optarg, 0, LIMIT_COUNT);
            break;
        case 'd':
            ret->delay_ms = (int)number(role, "-d", optarg, 0, LIMIT_COUNT);
            break;
        case 'w':
            ret->work_ms = (int)number(role, "-w", optarg, 0, LIMIT_COUNT);
            break;
        case 't':
            ret->tuning.timeout_ms =
                (int)number(role, "-t", optarg, -1, LIMIT_COUNT);
            if (ret->tuning.timeout_ms == 0)
                refuse(role, "-t 0: expected -1 (no limit) or at least 1");
            break;
        case 'q':
            ret->tuning.queue = (int)number(role, "-q", optarg, 0, LIMIT_COUNT);
            break;
        case 'm':
            ret->tuning.message_max =
                (size_t)number(role, "-m", optarg, MESSAGE_HEADER, LIMIT_MAX);
            break;
        case OPTION_CPU:
            cpu = (int)number(role, "--cpu", optarg, 0, PROCESS_CPU_MAX);
            break;
        case OPTION_JSON:
            ret->json = true;
            break;
        case OPTION_QUIET:
            ret->quiet = true;
            break;
        case OPTION_WARM_UP:
            ret->warm_up =
                (uint64_t)number(role, "--warm-up", optarg, 0, LIMIT_COUNT);
            if (role != ROLE_REQ)
                refuse(role, "--warm-up: only req has this option");
            break;
        case 'h':
            print_help(role);
            exit(output_ended(role));
        case 'V':
            (void)printf("%s (%s)\n", panel_name(), panel_version());
            exit(output_ended(role));
        default:
            refuse(role, "%s: unknown option, or its value is missing",
                argv[optind - 1]);
        }
    }
    ret->texts = argv + optind;
    ret->texts_len = argc - optind;
    check_options(ret, url);
    if (!ret->counted && !ret->lines && (role == ROLE_REQ || role == ROLE_PUB))
        ret->count = ret->texts_len > 0 ? ret->texts_len : 1;
    if (cpu >= 0)
        pin_to_cpu(role, (unsigned)cpu);
    process_raise_limits();
    if (stop_install() < 0) {
        print_failure(role, "cannot catch signals: %s", strerror(errno));
        exit(EXIT_FAILED);
    }
}

void
options_close(struct options *options)
{
    free(options->topics);
}

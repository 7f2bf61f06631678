/*
 * The command line of the four programs. One getopt loop serves all; each role
 * has its own letters. What the line alone shows to be wrong exits with 2, what
 * the system refuses with 1, each with one sentence that says what to do.
 */
#include "options.h"

#include "message.h"
#include "stop.h"
#include "topics.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    DEFAULT_TIMEOUT_MS = 2000, /* of req; the others wait for ever */
    DEFAULT_QUEUE = 1000, /* messages */
    DEFAULT_MAX = 32 << 20, /* bytes of a message */
    LIMIT_MAX = 1 << 30, /* nanomsg takes an int, and adds to it */
    LIMIT_COUNT = 1000000000, /* of every other number but -n */
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
        "Asks a server, one request after the other, and checks each answer.\n"
        "\n"
        "  -n COUNT       requests to ask (default: one a TEXT; 0: until "
        "stopped)\n"
        "  -s BYTES       ask with bodies of so many bytes, not with TEXTs\n"
        "  -r PER_SECOND  ask at that rate (default 0: as fast as possible)\n"
        "  --warm-up N    do not time the first N round trips (default 0)\n"
        "  TEXT           the body of a request; \"-\": each line of stdin\n",
        false},
    [ROLE_REP] = {"rep", "u:n:w:t:q:m:hV",
        "-u URL [-w WORK_MS] [-n COUNT] [OPTION...]\n"
        "Answers each request with the request's own body.\n"
        "\n"
        "  -n COUNT       requests to answer (default 0: until stopped)\n"
        "  -w WORK_MS     work (sleep) so long on each request\n",
        true},
    [ROLE_PUB] = {"pub", "u:T:n:s:r:d:t:q:m:hV",
        "-u URL [-T TOPIC]... [-n COUNT] [-s BYTES] [-r PER_SECOND] [-d MS]\n"
        "       [OPTION...] [TEXT...]\n"
        "Publishes events, to the topics in turn.\n"
        "\n"
        "  -T TOPIC       publish on that topic (default: the empty one)\n"
        "  -n COUNT       events to send (default: one a TEXT; 0: until "
        "stopped)\n"
        "  -s BYTES       send bodies of so many bytes, not TEXTs\n"
        "  -r PER_SECOND  send at that rate (default 0: as fast as possible)\n"
        "  -d MS          wait so long for subscribers before the first event\n"
        "  TEXT           the body of an event; \"-\": each line of stdin\n",
        true},
    [ROLE_SUB] = {"sub", "u:T:n:t:q:m:hV",
        "-u URL [-T PREFIX]... [-n COUNT] [OPTION...]\n"
        "Receives the events whose topics begin with a prefix, and counts "
        "gaps.\n"
        "\n"
        "  -T PREFIX      subscribe to it (default: to everything)\n"
        "  -n COUNT       events to receive (default 0: until stopped)\n",
        false},
};

const char *
role_name(enum role role)
{
    return roles[role].name;
}

void
complain(enum role role, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?'; /* one line, whatever the user or a peer wrote */
    }
    (void)fprintf(stderr, "%s-%s: %s\n", panel_name(), role_name(role), text);
}

static void
print_help(enum role role)
{
    (void)printf(
        "usage: %s-%s %s"
        "  -u URL         tcp://HOST:PORT%s or ipc:///PATH\n"
        "  -t TIMEOUT_MS  of each wait, -1: for ever (default %d)\n"
        "  -q QUEUE       messages queued per subscriber (default %d; 0: the\n"
        "                 library's own)\n"
        "  -m MAX_BYTES   of a whole message (default %d)\n"
        "  --cpu N        run on that processor only, library threads too\n"
        "  --json         JSON lines on stdout, for scripts\n"
        "  --quiet        no line per message\n"
        "  -h, -V         this help; the panel and its library's version\n"
        "\n"
        "Exit status: 0 done, or stopped by SIGINT or SIGTERM; 1 refused by\n"
        "the system, or not all done; 2 wrong usage.\n",
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
    complain(role, "%s (-h shows the usage)", text);
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
        refuse(role, "%s %s: a number from %lld to %lld is expected", option,
            text, (long long)min, (long long)max);
    return value;
}

/* Library threads inherit it, since none runs yet. */
static void
pin(enum role role, unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        complain(role, "--cpu %u: %s; `nproc` tells how many there are", cpu,
            strerror(errno));
        exit(EXIT_FAILED);
    }
}

/* A descriptor that is closed would be given to a connection, and what is
 * printed then sent to a peer. */
static void
fill_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", O_RDWR); /* the lowest one that is free */
    }
}

/* Hundreds of peers need more than the usual 1024. */
static void
raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer will do, too */
}

/* What can only be checked when the whole line has been read. */
static void
check(struct options *options, const char *url)
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
        refuse(role, "%s: no TEXT is expected", options->texts[0]);
    if (options->texts_len > 0 && options->size >= 0)
        refuse(role, "both -s and TEXT: either is the body");

    size_t topic_max = 0;
    for (int i = 0; i < options->topics_len; i++) {
        size_t len = strlen(options->topics[i]);
        if (len > MESSAGE_TOPIC_MAX)
            refuse(
                role, "-T: %zu bytes, %d are possible", len, MESSAGE_TOPIC_MAX);
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
                refuse(role, "TEXT \"-\", standard input, stands alone");
        }
    }
    size_t head = MESSAGE_HEADER + (role == ROLE_PUB ? topic_max : 0);
    if (body_max + head > options->tuning.message_max)
        refuse(role, "a message of %zu bytes (%zu of body) is over -m %zu",
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
        complain(role, "%s", strerror(errno));
        exit(EXIT_FAILED);
    }
    fill_standard_streams();
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
                refuse(role, "-T: %d topics are possible", TOPICS_MAX);
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
                refuse(role, "-t 0: -1 (for ever) or at least 1 is expected");
            break;
        case 'q':
            ret->tuning.queue = (int)number(role, "-q", optarg, 0, LIMIT_COUNT);
            break;
        case 'm':
            ret->tuning.message_max =
                (size_t)number(role, "-m", optarg, MESSAGE_HEADER, LIMIT_MAX);
            break;
        case OPTION_CPU:
            cpu = (int)number(role, "--cpu", optarg, 0, CPU_SETSIZE - 1);
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
                refuse(role, "--warm-up: only req times round trips");
            break;
        case 'h':
            print_help(role);
            exit(EXIT_DONE);
        case 'V':
            (void)printf("%s (%s)\n", panel_name(), panel_version());
            exit(EXIT_DONE);
        default:
            refuse(role, "%s: no such option, or its value is missing",
                argv[optind - 1]);
        }
    }
    ret->texts = argv + optind;
    ret->texts_len = argc - optind;
    check(ret, url);
    if (!ret->counted && !ret->lines && (role == ROLE_REQ || role == ROLE_PUB))
        ret->count = ret->texts_len > 0 ? ret->texts_len : 1;
    if (cpu >= 0)
        pin(role, (unsigned)cpu);
    raise_descriptors();
    /* A sleep ends up to 50 us late by default, to save wakeups. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    if (stop_install() < 0) {
        complain(role, "signals: %s", strerror(errno));
        exit(EXIT_FAILED);
    }
}

void
options_close(struct options *options)
{
    free(options->topics);
}

/*
 * The tap: stands between a client and a server, over TCP and UNIX sockets,
 * forwards, records, and can also hurt. One thread and one loop: wait for events,
 * which set flags; give each connection that has something to do a turn; free
 * what was closed. tap_conn.c is one connection, tap_flow.c one direction of it,
 * tap_fault.c what can be done to it, tap_command.c how to ask for that.
 * TAP.md is the user's side.
 */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tap_clock.h"
#include "tap_command.h"
#include "tap_conn.h"
#include "tap_listener.h"

enum {
    EVENTS = 256, /* in one round */
    EXIT_USAGE = 2,
    FINISH_MS = 1000, /* the last events wait so long for a reader */
};

#define OUTPUT_RETRY_NS UINT64_C(10000000)

static const char usage[] =
    "usage: tap -l LISTEN -c CONNECT [options]\n"
    "Forwards each connection to LISTEN to CONNECT. Addresses: tcp://127.0.0.1:5555,\n"
    "tcp://[::1]:5555, ipc:///path; port 0 to listen on takes a free one.\n"
    "\n"
    "  -l, --listen URL     where clients come to\n"
    "  -c, --connect URL    the server\n"
    "  -r, --record FILE    record all that passes (RECORD.md)\n"
    "      --delay MS       each direction; up:MS or down:MS for one of them, as below\n"
    "      --jitter MS      and up to so much more, at random; order is kept\n"
    "      --rate N         bytes per second of each connection\n"
    "      --slice N        at most N bytes in one write\n"
    "      --stall N        after N bytes of a connection pass nothing more\n"
    "      --cut N          after N bytes close the connection\n"
    "      --reset N        after N bytes reset it\n"
    "      --until-eof      end with standard input\n"
    "  -h, --help           this text\n"
    "  -V, --version        the version\n"
    "\n"
    "Commands on standard input, one a line: [#CONNECTION] VERB [up|down] [VALUE], with\n"
    "the faults above as verbs and go (ends a stall), clear, stats, flush, quit.\n"
    "Events on standard output, one JSON object a line. TAP.md has the details.\n";

int
tap_watch(struct tap *tap, int fd, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    return epoll_ctl(tap->epoll, EPOLL_CTL_ADD, fd, &event);
}

int
tap_rewatch(struct tap *tap, int fd, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    return epoll_ctl(tap->epoll, EPOLL_CTL_MOD, fd, &event);
}

void
tap_error(struct tap *tap, const char *what, int error)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "%s: %s", what, strerror(error));
    output_begin(&tap->output, "error");
    output_text(&tap->output, "text", text);
    output_end(&tap->output);
}

/* Gives a turn to each connection whose time has come; returns the time of the next one. */
static uint64_t
run_timed(struct tap *tap, uint64_t now_ns)
{
    struct conn **at = &tap->timed;
    uint64_t next_ns = 0;

    while (*at != NULL) {
        struct conn *conn = *at;

        if (conn->state == CONN_CLOSED || conn->wake_ns == 0) {
            conn->in_timed = false;
            *at = conn->next_timed;
            continue;
        }
        if (conn->wake_ns <= now_ns)
            conn_turn(tap, conn);
        else
            next_ns = clock_earlier(next_ns, conn->wake_ns);
        at = &conn->next_timed;
    }
    return next_ns;
}

static void
run_turns(struct tap *tap)
{
    struct conn *turns = tap->turns;

    tap->turns = NULL; /* who is not done queues for the next round */
    while (turns != NULL) {
        struct conn *conn = turns;

        turns = conn->next_turn;
        conn->in_turns = false;
        conn_run(tap, conn);
    }
}

/* Does what is due and returns the time until which there is nothing more; 0 is for ever. */
static uint64_t
run_due(struct tap *tap)
{
    uint64_t now_ns = clock_ns();
    uint64_t next_ns;

    if (tap->tape.due_ns != 0 && now_ns >= tap->tape.due_ns)
        tape_flush(&tap->tape);
    if (tap->listener.retry_ns != 0 && now_ns >= tap->listener.retry_ns)
        listener_retry(tap);
    next_ns = run_timed(tap, now_ns);
    next_ns = clock_earlier(next_ns, tap->tape.due_ns);
    next_ns = clock_earlier(next_ns, tap->listener.retry_ns);
    if (output_flush(&tap->output))
        next_ns = clock_earlier(next_ns, now_ns + OUTPUT_RETRY_NS);
    return next_ns;
}

/* Returns -1 and errno if the system fails us. */
static int
tap_run(struct tap *tap)
{
    struct epoll_event events[EVENTS];

    while (!tap->quit) {
        uint64_t next_ns = run_due(tap);
        uint64_t now_ns = clock_ns();
        uint64_t wait_ns = next_ns > now_ns && tap->turns == NULL ? next_ns - now_ns : 0;
        struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
        bool for_ever = next_ns == 0 && tap->turns == NULL;
        int n = epoll_pwait2(tap->epoll, events, EVENTS, for_ever ? NULL : &wait, NULL);

        if (n < 0 && errno != EINTR)
            return -1;
        for (int i = 0; i < n; i++) {
            struct watch *watch = events[i].data.ptr;

            watch->ready(tap, watch, events[i].events);
        }
        run_turns(tap);
        conn_bury(tap);
    }
    return 0;
}

static void
signal_ready(struct tap *tap, struct watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
    tap->quit = true; /* the descriptor is not read: there is no second question */
}

/* SIGINT, SIGTERM and SIGHUP end the tap in good order, from the loop. */
static int
watch_signals(struct tap *tap, struct watch *watch)
{
    sigset_t set;
    int fd;

    watch->ready = signal_ready;
    (void)sigemptyset(&set); /* these cannot fail for valid signals */
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)signal(SIGINT, SIG_DFL); /* a shell ignores it for what it runs in the background */
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a recording too long is an error of write(2) like others */
    (void)signal(SIGTTIN, SIG_IGN); /* reading a terminal from the background: EIO, not a stop */
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -1;
    return tap_watch(tap, fd, watch, EPOLLIN);
}

/* What the process needs of the system, once. */
static int
prepare_process(void)
{
    struct rlimit files;
    int fd;

    do /* so that no socket becomes standard output */
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd < 0 || close(fd) < 0)
        return -1;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* else it is as before */
    }
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* else delays are up to 50 us late */
    return 0;
}

static void
print_ready(struct tap *tap)
{
    char front[RECORD_NAME_MAX];
    char back[RECORD_NAME_MAX];

    address_print(front, &tap->front);
    address_print(back, &tap->back);
    output_begin(&tap->output, "ready");
    output_text(&tap->output, "listen", front);
    output_text(&tap->output, "connect", back);
    if (tap->tape.writer != NULL)
        output_text(&tap->output, "record", tap->tape.path);
    output_end(&tap->output);
}

static void
print_summary(struct tap *tap)
{
    output_begin(&tap->output, "summary");
    command_totals(tap);
    if (tap->tape.path != NULL) {
        output_text(&tap->output, "record", tap->tape.path);
        output_text(&tap->output, "recording", tap->tape.failed ? "incomplete" : "complete");
    }
    output_end(&tap->output);
}

/* Everything from listening to the summary. Returns the exit status. */
static int
tap_serve(struct tap *tap, const char *listen_url, const char *record, bool until_eof)
{
    static struct commands commands;
    static struct watch signals;
    const char *what = listen_url;
    const char *advice = "";
    int status = EXIT_FAILURE;

    if (record != NULL && tape_open(&tap->tape, record, &tap->output) < 0) {
        what = record;
        goto fail;
    }
    if (listener_open(tap) < 0) {
        if (errno == EADDRINUSE)
            advice = "; is another tap or server there? Choose another with -l";
        else if (errno == EEXIST)
            advice = " and is no socket; it stays. Choose another path with -l";
        goto fail;
    }
    what = "the event loop";
    if (watch_signals(tap, &signals) < 0)
        goto fail;
    print_ready(tap);
    commands.until_eof = until_eof;
    if (commands_open(tap, &commands, STDIN_FILENO) < 0 || tap_run(tap) < 0)
        goto fail;
    status = EXIT_SUCCESS;
fail:
    if (status != EXIT_SUCCESS)
        (void)fprintf(stderr, "tap: %s: %s%s\n", what, strerror(errno), advice);
    listener_close(tap);
    while (tap->conns != NULL)
        conn_cut(tap, tap->conns);
    for (struct conn *conn = tap->buried; conn != NULL; conn = conn->next)
        conn->in_turns = conn->in_timed = false; /* those lists end here */
    conn_bury(tap);
    tape_finish(&tap->tape);
    if (status == EXIT_SUCCESS)
        print_summary(tap);
    output_finish(&tap->output, FINISH_MS);
    return tap->tape.failed ? EXIT_FAILURE : status;
}

/* An option that is a fault: the words of a command, with a colon behind the direction. */
static int
option_fault(struct tap *tap, const char *name, const char *value)
{
    char words[2][64];
    char *all[3] = {words[0], words[1], NULL};
    char *colon;
    const char *why = "?";
    struct fault_order order;

    (void)snprintf(words[0], sizeof(words[0]), "%s", name);
    (void)snprintf(words[1], sizeof(words[1]), "%s", value);
    colon = strchr(words[1], ':');
    if (colon != NULL) {
        *colon = '\0';
        all[2] = colon + 1;
    }
    if (fault_parse(&order, all, colon != NULL ? 3 : 2, &why) != 1 || !order.valued) {
        (void)fprintf(stderr, "tap: --%s %s: %s\n", name, value, why);
        return -1;
    }
    for (int i = 0; i < 2; i++)
        if (order.way[i])
            fault_apply(&tap->faults[i], &order, 0);
    return 0;
}

static int
option_address(struct address *ret, const char *url, char option)
{
    const char *why = NULL;

    if (url == NULL) {
        (void)fprintf(stderr, "tap: -%c is needed; tap -h tells more\n", option);
        return EXIT_USAGE;
    }
    if (address_parse(ret, url, option == 'l', &why) == 0)
        return 0;
    (void)fprintf(stderr, "tap: -%c %s: %s\n", option, url, why);
    return errno == EINVAL ? EXIT_USAGE : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"connect", required_argument, NULL, 'c'},
        {"record", required_argument, NULL, 'r'},
        {"delay", required_argument, NULL, 'f'},
        {"jitter", required_argument, NULL, 'f'},
        {"rate", required_argument, NULL, 'f'},
        {"slice", required_argument, NULL, 'f'},
        {"stall", required_argument, NULL, 'f'},
        {"cut", required_argument, NULL, 'f'},
        {"reset", required_argument, NULL, 'f'},
        {"until-eof", no_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    static char name[] = "tap"; /* what getopt's messages begin with */
    static struct tap tap = {.listener = {.fd = -1, .spare = -1}, .epoll = -1};
    const char *urls[2] = {NULL, NULL};
    const char *record = NULL;
    bool until_eof = false;
    int option;
    int index;
    int status;

    argv[0] = name;
    fault_init(&tap.faults[0]);
    fault_init(&tap.faults[1]);
    while ((option = getopt_long(argc, argv, "l:c:r:hV", options, &index)) != -1) {
        switch (option) {
        case 'l':
            urls[0] = optarg;
            break;
        case 'c':
            urls[1] = optarg;
            break;
        case 'r':
            record = optarg;
            break;
        case 'f':
            if (option_fault(&tap, options[index].name, optarg) < 0)
                return EXIT_USAGE;
            break;
        case 'e':
            until_eof = true;
            break;
        case 'h':
            return fputs(usage, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        case 'V':
            return puts("tap (Triptych) 0.1.0") < 0 || fflush(stdout) != 0 ? EXIT_FAILURE
                                                                           : EXIT_SUCCESS;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "tap: what is \"%s\"? tap -h tells more\n", argv[optind]);
        return EXIT_USAGE;
    }
    status = option_address(&tap.front, urls[0], 'l');
    if (status == 0)
        status = option_address(&tap.back, urls[1], 'c');
    if (status != 0)
        return status;
    tap.epoll = prepare_process() < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
    if (tap.epoll < 0) {
        perror("tap");
        return EXIT_FAILURE;
    }
    tap.start_ns = clock_ns();
    output_init(&tap.output, STDOUT_FILENO);
    return tap_serve(&tap, urls[0], record, until_eof);
}

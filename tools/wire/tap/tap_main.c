/*
 * The tap: stands between a client and a server, over TCP and UNIX sockets,
 * forwards, records, and can also hurt. Here is what the user says and is told;
 * tap_loop.c runs the connections, tap_conn.c is one of them, tap_flow.c one
 * direction of it, tap_fault.c what can be done to that, tap_command.c how to ask
 * for it. README.md is the user's side.
 */
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

#include "address.h"
#include "clock.h"
#include "tap_address.h"
#include "tap_command.h"
#include "tap_conn.h"
#include "tap_listener.h"
#include "tap_loop.h"

enum {
    EXIT_USAGE = 2,
    FINISH_MS = 1000, /* the last events wait so long for a reader */
};

static const char usage[] =
    "usage: tap -l LISTEN -c CONNECT [options]\n"
    "Forwards each connection to LISTEN to CONNECT. Addresses: tcp://127.0.0.1:5555,\n"
    "tcp://[::1]:5555, ipc:///path; port 0 to listen on takes a free one.\n"
    "\n"
    "  -l, --listen URL     where clients come to\n"
    "  -c, --connect URL    the server\n"
    "  -r, --record FILE    record all that passes (tools/wire/record/README.md)\n"
    "      --delay MS       each direction; up:MS or down:MS for one of them, as below\n"
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
    "the faults above as verbs and go (ends a stall), clear, shut, listen, stats,\n"
    "flush, quit.\n"
    "Events on standard output, one JSON object a line. Details: tools/wire/tap/README.md\n";

static void
signal_ready(struct tap *tap, struct tap_watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
    tap->quit = true; /* the descriptor is not read: there is no second question */
}

/* SIGINT, SIGTERM and SIGHUP end the tap in good order, from the loop. */
static int
watch_signals(struct tap *tap, struct tap_watch *watch)
{
    sigset_t set;
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
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
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
    tap_address_print(front, &tap->front);
    tap_address_print(back, &tap->back);
    tap_output_begin(&tap->output, "ready");
    tap_output_text(&tap->output, "listen", front);
    tap_output_text(&tap->output, "connect", back);
    if (tap->tape.writer)
        tap_output_text(&tap->output, "record", tap->tape.path);
    tap_output_end(&tap->output);
}

static void
print_summary(struct tap *tap)
{
    tap_output_begin(&tap->output, "summary");
    tap_command_totals(tap);
    if (tap->tape.path) {
        tap_output_text(&tap->output, "record", tap->tape.path);
        tap_output_text(&tap->output, "recording", tap->tape.failed ? "incomplete" : "complete");
    }
    tap_output_end(&tap->output);
}

/* Everything from listening to the summary. Returns the exit status. */
static int
tap_serve(struct tap *tap, const char *listen_url, const char *record, bool until_eof)
{
    static struct tap_commands commands;
    static struct tap_watch signals;
    const char *what = listen_url;
    const char *advice = "";
    int status = EXIT_FAILURE;
    if (record && tap_tape_open(&tap->tape, record, &tap->output) < 0) {
        what = record;
        goto fail;
    }
    if (tap_listener_open(tap) < 0) {
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
    if (tap_commands_open(tap, &commands, STDIN_FILENO) < 0 || tap_loop_run(tap) < 0)
        goto fail;
    status = EXIT_SUCCESS;
fail:
    if (status != EXIT_SUCCESS)
        (void)fprintf(stderr, "tap: %s: %s%s\n", what, strerror(errno), advice);
    tap_listener_close(tap);
    while (tap->conns)
        tap_conn_cut(tap, tap->conns);
    for (struct tap_conn *conn = tap->buried; conn; conn = conn->next)
        conn->in_turns = conn->in_timed = false; /* those lists end here */
    tap_conn_bury(tap);
    tap_tape_finish(&tap->tape);
    if (status == EXIT_SUCCESS)
        print_summary(tap);
    tap_output_finish(&tap->output, FINISH_MS);
    return tap->tape.failed ? EXIT_FAILURE : status;
}

/* An option that is a fault: the words of a command, with a colon behind the direction. */
static int
option_fault(struct tap *tap, const char *name, const char *value)
{
    char words[2][64];
    char *all[3] = {words[0], words[1], NULL};
    const char *why = "?";
    struct tap_fault_order order;
    (void)snprintf(words[0], sizeof(words[0]), "%s", name);
    (void)snprintf(words[1], sizeof(words[1]), "%s", value);
    char *colon = strchr(words[1], ':');
    if (colon) {
        *colon = '\0';
        all[2] = colon + 1;
    }
    if (tap_fault_parse(&order, all, colon ? 3 : 2, &why) != 1 || !order.valued) {
        (void)fprintf(stderr, "tap: --%s %s: %s\n", name, value, why);
        return -1;
    }
    for (int i = 0; i < 2; i++)
        if (order.way[i])
            tap_fault_apply(&tap->faults[i], &order, 0);
    return 0;
}

static int
option_address(struct sockaddr_any *ret, const char *url, char option)
{
    char literal[ADDRESS_MAX];
    const char *why;
    if (!url) {
        (void)fprintf(stderr, "tap: -%c is needed; tap -h tells more\n", option);
        return EXIT_USAGE;
    }
    if (option == 'l' && sockaddr_parse(ret, url) == 0) /* port 0, too: a free one */
        return 0;
    if (address_check(literal, url, option == 'l', &why) == 0) {
        if (sockaddr_parse(ret, literal) == 0)
            return 0;
        why = strerror(errno);
    }
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
    static struct tap tap = {
        .listener = {.fd = -1, .spare = -1, .retry_ns = CLOCK_NEVER},
        .tape = {.due_ns = CLOCK_NEVER},
        .epoll = -1,
    };
    const char *urls[2] = {NULL, NULL};
    const char *record = NULL;
    bool until_eof = false;
    int option;
    int index;
    argv[0] = name;
    tap_fault_init(&tap.faults[0]);
    tap_fault_init(&tap.faults[1]);
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
    int status = option_address(&tap.front, urls[0], 'l');
    if (status == 0)
        status = option_address(&tap.back, urls[1], 'c');
    if (status != 0)
        return status;
    tap.epoll = prepare_process() < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
    if (tap.epoll < 0) {
        perror("tap");
        return EXIT_FAILURE;
    }
    tap.start_ns = clock_now();
    tap_output_init(&tap.output, STDOUT_FILENO);
    return tap_serve(&tap, urls[0], record, until_eof);
}

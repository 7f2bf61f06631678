/* What every floor shares: see floor.h. */
#include "baseline.h"

#include "clock.h"
#include "stop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CLOCK_EVERY = 64, /* messages between two readings of the clock, as in common/ */
    BACKLOG = 4096,
    OPTION_CPU = 256,
    OPTION_WARM_UP,
};

static void __attribute__((noreturn))
fail(const struct floor *floor, const char *what, const char *why)
{
    (void)fprintf(stderr, "%s-%s: %s: %s\n", floor->name, floor->role, what, why);
    exit(EXIT_FAILURE);
}

static void
pin(const struct floor *floor, int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        fail(floor, "--cpu", strerror(errno));
}

void
floor_open(struct floor *floor, const char *name, int argc, char **argv)
{
    static const struct option options[] = {
        {"cpu", required_argument, NULL, OPTION_CPU},
        {"warm-up", required_argument, NULL, OPTION_WARM_UP},
        {"json", no_argument, NULL, 'j'}, /* as the panels' programs are called; */
        {"quiet", no_argument, NULL, 'j'}, /* here it is always so */
        {0},
    };
    *floor = (struct floor){.name = name, .version = "", .role = "ROLE", .size = 64, .peers = 1};
    int letter;
    while ((letter = getopt_long(argc, argv, "u:n:s:q:c:d:r:", options, NULL)) != -1) {
        unsigned long long number = optarg ? strtoull(optarg, NULL, 10) : 0;
        switch (letter) {
        case 'u':
            floor->url = optarg;
            break;
        case 'n':
            floor->count = number;
            break;
        case 's':
            floor->size = (size_t)number;
            break;
        case 'q':
            floor->queue = (int)number;
            break;
        case 'c':
            floor->peers = (int)number;
            break;
        case 'd':
            floor->delay_ms = (int)number;
            break;
        case 'r':
            floor->rate = (int64_t)number;
            break;
        case OPTION_CPU:
            pin(floor, (int)number);
            break;
        case OPTION_WARM_UP:
            floor->warm_up = number;
            break;
        case 'j':
            break;
        default:
            exit(2);
        }
    }
    if (optind != argc - 1)
        fail(floor, "usage",
            "ROLE -u URL [-n COUNT] [-s BYTES] [-r RATE] [-q QUEUE] [-c PEERS] [-d MS] [--cpu N]");
    floor->role = argv[optind];
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer may do, too */
    }
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* as the panels' programs do */
    floor->data = calloc(1, floor->size + 1);
    if (!floor->url || !floor->data || stop_install() < 0)
        fail(floor, "start", floor->url ? strerror(errno) : "-u URL is required");
}

bool
floor_is(const struct floor *floor, const char *role)
{
    return strcmp(floor->role, role) == 0;
}

void
floor_ready(const struct floor *floor)
{
    (void)printf("{\"event\":\"ready\",\"panel\":\"%s\"}\n", floor->name);
    (void)fflush(stdout);
}

void
floor_option(const char *name, long long value)
{
    (void)printf("{\"event\":\"option\",\"name\":\"%s\",\"value\":%lld}\n", name, value);
}

bool
floor_more(const struct floor *floor)
{
    uint64_t done = floor->sent > floor->received ? floor->sent : floor->received;
    return (floor->count == 0 || done < floor->count) && !stop_requested();
}

int64_t
floor_turn(struct floor *floor)
{
    if (floor->rate == 0)
        return clock_now();
    if (floor->start == 0)
        floor->start = clock_now();
    int64_t due = clock_due(floor->start, floor->sent, floor->rate);
    while (clock_sleep(due) < 0 && !stop_requested())
        ;
    return due;
}

void
floor_round_trip(struct floor *floor, int64_t start)
{
    int64_t now = clock_now();
    floor->sent++;
    if (++floor->received > floor->warm_up)
        latency_add(&floor->latency, now - start);
    if (floor->first == 0)
        floor->first = now;
    floor->last = now;
    floor->last_count = floor->received;
}

static void
count(struct floor *floor, uint64_t *counter, uint64_t more)
{
    uint64_t before = *counter;
    *counter += more;
    bool end = floor->count > 0 && *counter >= floor->count;
    if (before != 0 && before / CLOCK_EVERY == *counter / CLOCK_EVERY && !end)
        return;
    floor->last = clock_now();
    floor->last_count = *counter;
    if (before == 0)
        floor->first = floor->last;
}

void
floor_received(struct floor *floor, uint64_t more)
{
    count(floor, &floor->received, more);
}

void
floor_sent(struct floor *floor, uint64_t more)
{
    count(floor, &floor->sent, more);
}

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
};

/* The address of a URL; its length. */
static socklen_t
parse(const struct floor *floor, union address *address)
{
    unsigned a, b, c, d, port;
    memset(address, 0, sizeof(*address));
    if (sscanf(floor->url, "tcp://%u.%u.%u.%u:%u", &a, &b, &c, &d, &port) == 5) {
        address->in.sin_family = AF_INET;
        address->in.sin_port = htons((uint16_t)port);
        address->in.sin_addr.s_addr = htonl(a << 24 | b << 16 | c << 8 | d);
        return sizeof(address->in);
    }
    if (strncmp(floor->url, "ipc://", 6) != 0 ||
        strlen(floor->url + 6) >= sizeof(address->un.sun_path))
        fail(floor, floor->url, "tcp://A.B.C.D:PORT or ipc:///PATH is expected");
    address->un.sun_family = AF_UNIX;
    strcpy(address->un.sun_path, floor->url + 6);
    return sizeof(address->un);
}

int
floor_listen(const struct floor *floor)
{
    int on = 1;
    union address address;
    socklen_t len = parse(floor, &address);
    int fd = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, &address.any, len) < 0 || listen(fd, BACKLOG) < 0)
        fail(floor, floor->url, strerror(errno));
    return fd;
}

static void
no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* not over UNIX sockets */
}

int
floor_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0)
        no_delay(fd);
    return fd;
}

int
floor_connect(const struct floor *floor)
{
    union address address;
    socklen_t len = parse(floor, &address);
    int fd = socket(address.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, &address.any, len) < 0)
        fail(floor, floor->url, strerror(errno));
    no_delay(fd);
    return fd;
}

bool
floor_check(const struct floor *floor, bool good, const char *what)
{
    if (!good && !stop_requested())
        fail(floor, what, strerror(errno));
    return good;
}

int
floor_close(struct floor *floor)
{
    static const struct {
        const char *name;
        uint64_t numerator, denominator;
    } quantiles[] = {{"p50", 50, 100}, {"p90", 90, 100}, {"p99", 99, 100}, {"p999", 999, 1000}};
    const struct latency *latency = &floor->latency;
    double seconds = (double)(floor->last - floor->first) / CLOCK_S;
    (void)printf("{\"event\":\"summary\",\"panel\":\"%s\",\"version\":\"%s\",\"role\":\"%s\"",
        floor->name, floor->version, floor->role);
    (void)printf(",\"sent\":%llu,\"received\":%llu,\"first_us\":%lld,\"last_us\":%lld",
        (unsigned long long)floor->sent, (unsigned long long)floor->received,
        (long long)(floor->first / CLOCK_US), (long long)(floor->last / CLOCK_US));
    (void)printf(",\"seconds\":%.9f", seconds);
    if (seconds > 0) /* n messages span n - 1 intervals */
        (void)printf(",\"rate\":%.3f", (double)(floor->last_count - 1) / seconds);
    else
        (void)printf(",\"rate\":null");
    if (latency->count == 0) {
        (void)printf(",\"latency_us\":null}\n");
    } else {
        (void)printf(",\"latency_us\":{\"min\":%.3f", (double)latency->min / CLOCK_US);
        for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
            uint64_t ns =
                latency_quantile(latency, quantiles[i].numerator, quantiles[i].denominator);
            (void)printf(",\"%s\":%.3f", quantiles[i].name, (double)ns / CLOCK_US);
        }
        (void)printf(",\"max\":%.3f,\"mean\":%.3f}}\n", (double)latency->max / CLOCK_US,
            (double)latency_mean(latency) / CLOCK_US);
    }
    free(floor->data);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What every baseline shares: see baseline.h. */
#include "baseline.h"

#include "clock.h"
#include "sockaddr.h"
#include "stop.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CLOCK_EVERY = 64, /* messages between two readings of the clock, as in common/ */
    BACKLOG = 4096,
    OPTION_CPU = 256,
    OPTION_WARM_UP,
};

static void __attribute__((noreturn))
fail(const struct baseline *baseline, const char *what, const char *why)
{
    (void)fprintf(stderr, "%s-%s: %s: %s\n", baseline->name, baseline->role, what, why);
    exit(EXIT_FAILURE);
}

static void
pin(const struct baseline *baseline, int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        fail(baseline, "--cpu", strerror(errno));
}

void
baseline_open(struct baseline *baseline, const char *name, int argc, char **argv)
{
    static const struct option options[] = {
        {"cpu", required_argument, NULL, OPTION_CPU},
        {"warm-up", required_argument, NULL, OPTION_WARM_UP},
        {"json", no_argument, NULL, 'j'}, /* as the panels' programs are called; */
        {"quiet", no_argument, NULL, 'j'}, /* here it is always so */
        {0},
    };
    *baseline = (struct baseline){
        .name = name, .version = "", .role = "ROLE", .size = 64, .peers = 1, .prefix = ""};
    int letter;
    while ((letter = getopt_long(argc, argv, "u:n:s:q:c:d:r:T:", options, NULL)) != -1) {
        unsigned long long number = optarg ? strtoull(optarg, NULL, 10) : 0;
        switch (letter) {
        case 'u':
            baseline->url = optarg;
            break;
        case 'n':
            baseline->count = number;
            break;
        case 's':
            baseline->size = (size_t)number;
            break;
        case 'q':
            baseline->queue = (int)number;
            break;
        case 'c':
            baseline->peers = (int)number;
            break;
        case 'd':
            baseline->delay_ms = (int)number;
            break;
        case 'T':
            baseline->prefix = optarg;
            break;
        case 'r':
            baseline->rate = (int64_t)number;
            break;
        case OPTION_CPU:
            pin(baseline, (int)number);
            break;
        case OPTION_WARM_UP:
            baseline->warm_up = number;
            break;
        case 'j':
            break;
        default:
            exit(2);
        }
    }
    if (optind != argc - 1)
        fail(baseline, "usage",
            "ROLE -u URL [-n COUNT] [-s BYTES] [-r RATE] [-q QUEUE] [-c PEERS] [-T PREFIX] [-d MS] "
            "[--cpu N]");
    baseline->role = argv[optind];
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer may do, too */
    }
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* as the panels' programs do */
    baseline->data = calloc(1, baseline->size + 1);
    if (!baseline->url || !baseline->data || stop_install() < 0)
        fail(baseline, "start", baseline->url ? strerror(errno) : "-u URL is required");
}

bool
baseline_is(const struct baseline *baseline, const char *role)
{
    return strcmp(baseline->role, role) == 0;
}

void
baseline_ready(const struct baseline *baseline)
{
    (void)printf("{\"event\":\"ready\",\"panel\":\"%s\"}\n", baseline->name);
    (void)fflush(stdout);
}

void
baseline_option(const char *name, long long value)
{
    (void)printf("{\"event\":\"option\",\"name\":\"%s\",\"value\":%lld}\n", name, value);
}

bool
baseline_more(const struct baseline *baseline)
{
    uint64_t done = baseline->sent > baseline->received ? baseline->sent : baseline->received;
    return (baseline->count == 0 || done < baseline->count) && !stop_requested();
}

int64_t
baseline_turn(struct baseline *baseline)
{
    if (baseline->rate == 0)
        return clock_now();
    if (baseline->start == 0)
        baseline->start = clock_now();
    int64_t due = clock_due(baseline->start, baseline->sent, baseline->rate);
    while (clock_sleep(due) < 0 && !stop_requested())
        ;
    return due;
}

void
baseline_round_trip(struct baseline *baseline, int64_t start)
{
    int64_t now = clock_now();
    baseline->sent++;
    if (++baseline->received > baseline->warm_up)
        latency_add(&baseline->latency, now - start);
    if (baseline->first == 0)
        baseline->first = now;
    baseline->last = now;
    baseline->last_count = baseline->received;
}

static void
count(struct baseline *baseline, uint64_t *counter, uint64_t more)
{
    uint64_t before = *counter;
    *counter += more;
    bool end = baseline->count > 0 && *counter >= baseline->count;
    if (before != 0 && before / CLOCK_EVERY == *counter / CLOCK_EVERY && !end)
        return;
    baseline->last = clock_now();
    baseline->last_count = *counter;
    if (before == 0)
        baseline->first = baseline->last;
}

void
baseline_received(struct baseline *baseline, uint64_t more)
{
    count(baseline, &baseline->received, more);
}

void
baseline_sent(struct baseline *baseline, uint64_t more)
{
    count(baseline, &baseline->sent, more);
}

/* Reads -u, which tells what kind of socket it is, and makes that socket. */
static int
make_socket(const struct baseline *baseline, struct sockaddr_any *address)
{
    if (sockaddr_parse(address, baseline->url) < 0)
        fail(baseline, baseline->url,
            "tcp://1.2.3.4:PORT, tcp://[::1]:PORT or ipc:///PATH is expected");
    return socket(address->any.sa_family, SOCK_STREAM, 0);
}

int
baseline_listen(const struct baseline *baseline)
{
    int on = 1;
    struct sockaddr_any address;
    int fd = make_socket(baseline, &address);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, &address.any, address.len) < 0 || listen(fd, BACKLOG) < 0)
        fail(baseline, baseline->url, strerror(errno));
    return fd;
}

static void
no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* not over UNIX sockets */
}

int
baseline_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0)
        no_delay(fd);
    return fd;
}

int
baseline_connect(const struct baseline *baseline)
{
    struct sockaddr_any address;
    int fd = make_socket(baseline, &address);
    if (fd < 0 || connect(fd, &address.any, address.len) < 0)
        fail(baseline, baseline->url, strerror(errno));
    no_delay(fd);
    return fd;
}

bool
baseline_check(const struct baseline *baseline, bool good, const char *what)
{
    if (!good && !stop_requested())
        fail(baseline, what, strerror(errno));
    return good;
}

int
baseline_close(struct baseline *baseline)
{
    static const struct {
        const char *name;
        uint64_t numerator, denominator;
    } quantiles[] = {{"p50", 50, 100}, {"p90", 90, 100}, {"p99", 99, 100}, {"p999", 999, 1000}};
    const struct latency *latency = &baseline->latency;
    double seconds = (double)(baseline->last - baseline->first) / CLOCK_S;
    (void)printf("{\"event\":\"summary\",\"panel\":\"%s\",\"version\":\"%s\",\"role\":\"%s\"",
        baseline->name, baseline->version, baseline->role);
    (void)printf(",\"sent\":%llu,\"received\":%llu,\"first_us\":%lld,\"last_us\":%lld",
        (unsigned long long)baseline->sent, (unsigned long long)baseline->received,
        (long long)(baseline->first / CLOCK_US), (long long)(baseline->last / CLOCK_US));
    (void)printf(",\"seconds\":%.9f", seconds);
    if (seconds > 0) /* n messages span n - 1 intervals */
        (void)printf(",\"rate\":%.3f", (double)(baseline->last_count - 1) / seconds);
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
    free(baseline->data);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

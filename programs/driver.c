/*
 * The driver calls the functions of pattern.h: each line of standard input is a
 * command, and prints one JSON line. Tests and experiments use it for what the
 * programs' command lines cannot do. Linked with each panel as PANEL-driver.
 *
 *   open req|rep|pub|sub URL [timeout=MS] [queue=N] [max=BYTES]
 *   use N              chooses the handle for the next commands
 *   send TEXT | send -s BYTES [SEED] | send -x HEX
 *   recv               prints up to 256 bytes, and the crc32 of all of them
 *   subscribe [P] | subscribe -x HEX, and unsubscribe; no P: the empty prefix
 *   idle MS, close
 *   alarm MS           for the next command: SIGALRM in MS, then every 50 ms
 *   fail N | fail NAME:N[:ERRNO]
 *                      for the next command: a call of the panel's fails; needs
 *                      tests/contract/failing.c, which says more
 *   failed             what failed in the last command, and what is held
 *   echo COUNT         rep: answers COUNT requests with their own bytes
 *   lengths FROM TO    req: one request of each length; compares the replies
 *   busy MS BYTES SEED req: sends requests for MS; compares the replies
 *   burst COUNT BYTES [RATE]
 *                      pub: sends numbered events, RATE a second
 *   collect COUNT      sub: receives COUNT events; says whether in order, and
 *                      which are missing between two: the longest gap
 *   until TEXT         sub: receives until the event TEXT
 *
 * For a wrong line it prints {"usage":...}. At the end of input it closes all
 * handles.
 */
#include "address.h"
#include "interrupt.h"
#include "json.h"
#include "pattern.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    HANDLES = 1024,
    LINE = 1 << 18, /* a command line, hexadecimal payloads included */
    TEXT = 256, /* bytes of a received message that are printed */
    STEP_MS = 2, /* between two calls of pub_idle() while it waits for input */
};

struct handle {
    enum role {
        NONE,
        REQ,
        REP,
        PUB,
        SUB
    } role;
    struct req *req;
    struct rep *rep;
    struct pub *pub;
    struct sub *sub;
};

static const char *const roles[] = {"none", "req", "rep", "pub", "sub"};
static struct handle handles[HANDLES];
static int opened; /* handles[0..opened) are used; some are closed again */
static struct handle *h; /* the current one */
static unsigned char *buffer; /* the message to send; grows */
static size_t buffer_size;
static char input[LINE];
static size_t input_len;
static char failure[64]; /* what is to fail in the next command */

/* Of failing.c; NULL: it is not preloaded. */
static void (*failing_arm)(const char *spec);
static const char *(*failing_report)(void);

static int64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint32_t
crc32(const unsigned char *data, size_t len)
{
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; bit++)
                c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
            table[i] = c;
        }
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++)
        crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
    return ~crc;
}

/* Prints the line for one command; errnum is the call's errno. */
static void
answer(const char *command, int64_t result, int errnum, int64_t start,
    const char *more, ...)
{
    int64_t us = (now_ns() - start) / 1000;
    printf("{\"command\":\"%s\",\"handle\":%d,\"result\":%" PRId64
           ",\"us\":%" PRId64,
        command, h ? (int)(h - handles) : -1, result, us);
    if (result < 0) {
        const char *name = strerrorname_np(errnum);
        const char *error = panel_strerror(errnum);
        printf(",\"errno\":\"%s\",\"number\":%d,\"error\":",
            name ? name : "private", errnum);
        json_string(stdout, error, strlen(error));
    } else {
        printf(",\"errno\":null");
    }
    va_list args;
    va_start(args, more);
    vprintf(more, args);
    va_end(args);
    printf("}\n");
    fflush(stdout);
}

static void
usage(const char *what)
{
    printf("{\"usage\":");
    json_string(stdout, what, strlen(what));
    printf("}\n");
    fflush(stdout);
}

static void
reserve(size_t len)
{
    if (len <= buffer_size)
        return;
    buffer = realloc(buffer, len);
    if (!buffer)
        abort();
    buffer_size = len;
}

/* Byte i is (seed + i) & 255. */
static void
fill(size_t from, size_t len, uint64_t seed)
{
    reserve(len);
    for (size_t i = from; i < len; i++)
        buffer[i] = (unsigned char)(seed + i);
}

/* Writes the bytes that the rest of a command names to the buffer. -1: wrong
 * hex. */
static ssize_t
payload(const char *rest)
{
    if (strncmp(rest, "-s ", 3) == 0) {
        char *end;
        size_t len = strtoull(rest + 3, &end, 10);
        fill(0, len, strtoull(end, NULL, 10));
        return (ssize_t)len;
    }
    if (strncmp(rest, "-x", 2) == 0 && (!rest[2] || rest[2] == ' ')) {
        const char *p = rest[2] ? rest + 3 : rest + 2;
        size_t len = strlen(p) / 2;
        reserve(len + 1);
        for (size_t i = 0; i < len; i++)
            if (sscanf(p + 2 * i, "%2hhx", &buffer[i]) != 1)
                return -1;
        return (ssize_t)len;
    }
    size_t len = strlen(rest);
    reserve(len + 1);
    memcpy(buffer, rest, len);
    return (ssize_t)len;
}

static int
handle_send(const void *data, size_t len)
{
    switch (h->role) {
    case REQ:
        return req_send(h->req, data, len);
    case REP:
        return rep_send(h->rep, data, len);
    case PUB:
        return pub_send(h->pub, data, len);
    default:
        errno = EBADF;
        return -1;
    }
}

static ssize_t
handle_recv(const void **data)
{
    switch (h->role) {
    case REQ:
        return req_recv(h->req, data);
    case REP:
        return rep_recv(h->rep, data);
    case SUB:
        return sub_recv(h->sub, data);
    default:
        errno = EBADF;
        return -1;
    }
}

static void
handle_close(void)
{
    req_close(h->req);
    rep_close(h->rep);
    pub_close(h->pub);
    sub_close(h->sub);
    *h = (struct handle){.role = NONE};
}

static void
do_open(char *rest)
{
    struct tuning tuning = {
        .timeout_ms = 2000, .queue = 1000, .message_max = 32 << 20};
    char *save = NULL;
    const char *role = strtok_r(rest, " ", &save);
    const char *url = strtok_r(NULL, " ", &save);
    for (char *word; (word = strtok_r(NULL, " ", &save));) {
        if (strncmp(word, "timeout=", 8) == 0)
            tuning.timeout_ms = atoi(word + 8);
        else if (strncmp(word, "queue=", 6) == 0)
            tuning.queue = atoi(word + 6);
        else if (strncmp(word, "max=", 4) == 0)
            tuning.message_max = strtoull(word + 4, NULL, 10);
        else {
            usage("open: unknown setting");
            return;
        }
    }
    if (!role || !url || opened == HANDLES) {
        usage("open req|rep|pub|sub URL [timeout=MS] [queue=N] [max=BYTES]");
        return;
    }
    h = &handles[opened++];
    *h = (struct handle){.role = NONE};
    for (enum role r = REQ; r <= SUB; r++)
        if (strcmp(role, roles[r]) == 0)
            h->role = r;

    int64_t start = now_ns();
    char literal[ADDRESS_MAX];
    const char *why = "";
    int result =
        address_check(literal, url, h->role == REP || h->role == PUB, &why);
    if (result == 0)
        switch (h->role) {
        case REQ:
            result = req_open(&h->req, literal, &tuning);
            break;
        case REP:
            result = rep_open(&h->rep, literal, &tuning);
            break;
        case PUB:
            result = pub_open(&h->pub, literal, &tuning);
            break;
        case SUB:
            result = sub_open(&h->sub, literal, &tuning);
            break;
        case NONE:
            errno = EINVAL;
            result = -1;
        }
    int errnum = errno;
    if (result < 0)
        h->role = NONE;
    answer("open", result, errnum, start,
        ",\"panel\":\"%s\",\"version\":\"%s\"", panel_name(), panel_version());
}

static void
do_recv(void)
{
    int64_t start = now_ns();
    const void *data = NULL;
    ssize_t n = handle_recv(&data);
    if (n < 0) {
        answer("recv", n, errno, start, "");
        return;
    }
    int64_t us = (now_ns() - start) / 1000;
    printf("{\"command\":\"recv\",\"handle\":%d,\"result\":%zd,\"errno\":null,"
           "\"us\":%" PRId64 ",\"crc\":%" PRIu32 ",\"text\":",
        (int)(h - handles), n, us, crc32(data, (size_t)n));
    json_bytes(stdout, data, (size_t)n < TEXT ? (size_t)n : TEXT);
    printf("}\n");
    fflush(stdout);
}

static void
do_echo(long count)
{
    int64_t start = now_ns();
    long n = 0;
    while (n < count) {
        const void *data = NULL;
        ssize_t len = rep_recv(h->rep, &data);
        if (len < 0 || rep_send(h->rep, data, (size_t)len) < 0)
            break;
        n++;
    }
    int errnum = errno;
    answer("echo", n, errnum, start, ",\"stopped\":\"%s\"",
        n < count ? strerrorname_np(errnum) : "");
}

/* Sends buffer[0..len), compares the reply. 1: equal; 0: not; -1 and errno. */
static int
round_trip(size_t len)
{
    const void *data = NULL;
    if (req_send(h->req, buffer, len) < 0)
        return -1;
    ssize_t n = req_recv(h->req, &data);
    if (n < 0)
        return -1;
    return (size_t)n == len && (len == 0 || memcmp(data, buffer, len) == 0);
}

static void
do_lengths(size_t from, size_t to)
{
    int64_t start = now_ns();
    size_t len = from;
    int right = 1;
    for (; right == 1 && len <= to; len++) {
        fill(0, len + 1, len);
        right = round_trip(len);
    }
    int errnum = errno;
    answer("lengths", right, errnum, start, ",\"last\":%zu", len - 1);
}

static void
do_busy(int64_t ms, size_t len, uint64_t seed)
{
    int64_t start = now_ns();
    long right = 0, wrong = 0, failed = 0;
    int errnum = 0;
    fill(0, len < 8 ? 8 : len, seed);
    while (now_ns() < start + ms * 1000000) {
        memcpy(buffer, &right, len < sizeof(right) ? len : sizeof(right));
        int n = round_trip(len);
        right += n == 1;
        wrong += n == 0;
        failed += n < 0;
        if (n < 0)
            errnum = errno;
    }
    answer("busy", right, errnum, start,
        ",\"wrong\":%ld,\"failed\":%ld,\"last\":\"%s\"", wrong, failed,
        errnum ? strerrorname_np(errnum) : "");
}

static void
do_burst(long count, size_t len, long rate)
{
    int64_t start = now_ns(), slowest = 0, due = start;
    long sent = 0;
    int errnum = 0;
    fill(0, len < 16 ? 16 : len, 0);
    for (long i = 1; i <= count; i++) {
        char number[9];
        snprintf(number, sizeof(number), "%08u", (unsigned)(i % 100000000));
        memcpy(buffer, number, 8);
        int64_t before = now_ns();
        if (pub_send(h->pub, buffer, len) == 0)
            sent++;
        else
            errnum = errno;
        int64_t took = now_ns() - before;
        if (took > slowest)
            slowest = took;
        if (rate > 0 && i < count)
            pub_idle(h->pub, due += 1000000000 / rate);
    }
    answer("burst", sent, errnum, start, ",\"slowest_us\":%" PRId64,
        slowest / 1000);
}

static void
do_collect(long count)
{
    int64_t start = now_ns();
    long n = 0, first = -1, last = -1;
    long before = 0, after = 1; /* the longest gap is between these */
    bool ordered = true;
    while (n < count) {
        const void *data = NULL;
        ssize_t len = sub_recv(h->sub, &data);
        if (len < 0)
            break;
        char number[9] = "";
        memcpy(number, data, len < 8 ? (size_t)len : 8);
        long value = atol(number);
        ordered = ordered && value > last;
        if (n > 0 && value - last > after - before) {
            before = last;
            after = value;
        }
        last = value;
        first = n++ ? first : value;
    }
    int errnum = errno;
    answer("collect", n, errnum, start,
        ",\"first\":%ld,\"last\":%ld,\"missing\":[%ld,%ld],\"ordered\":%s,"
        "\"stopped\":\"%s\"",
        first, last, before + 1, after - 1, ordered ? "true" : "false",
        n < count ? strerrorname_np(errnum) : "");
}

static void
do_until(const char *text)
{
    int64_t start = now_ns();
    int64_t passed = 0;
    const void *data = NULL;
    ssize_t len;
    while ((len = sub_recv(h->sub, &data)) >= 0 &&
        ((size_t)len != strlen(text) || memcmp(data, text, (size_t)len) != 0))
        passed++;
    answer("until", len < 0 ? -1 : passed, errno, start, "");
}

static void
on_signal(int number)
{
    (void)number;
    interrupt();
}

static void
alarm_every(long first_ms, long then_ms)
{
    struct itimerval timer = {
        .it_value = {first_ms / 1000, first_ms % 1000 * 1000},
        .it_interval = {then_ms / 1000, then_ms % 1000 * 1000},
    };
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void
find_failing(void)
{
    void *arm = dlsym(RTLD_DEFAULT, "failing_arm");
    void *report = dlsym(RTLD_DEFAULT, "failing_report");
    memcpy(&failing_arm, &arm, sizeof(arm));
    memcpy(&failing_report, &report, sizeof(report));
}

static void
run_command(char *line)
{
    char *rest = strchr(line, ' ');
    if (rest)
        *rest++ = '\0';
    else
        rest = line + strlen(line);
    long a = 0, b = 0, c = 0;
    sscanf(rest, "%ld %ld %ld", &a, &b, &c);
    if (failure[0])
        failing_arm(failure);
    failure[0] = '\0';
    errno = 0; /* what a call does not set is not there from before */

    int64_t start = now_ns();
    if (strcmp(line, "open") == 0) {
        do_open(rest);
    } else if (strcmp(line, "use") == 0 && a >= 0 && a < opened) {
        h = &handles[a];
        answer("use", a, 0, start, "");
    } else if (strcmp(line, "alarm") == 0) {
        alarm_every(a, 50);
        return; /* prints nothing: it belongs to the next command */
    } else if (strcmp(line, "fail") == 0 && failing_arm) {
        (void)snprintf(failure, sizeof(failure), "%s", rest);
        return; /* likewise */
    } else if (strcmp(line, "failed") == 0 && failing_report) {
        answer("failed", 0, 0, start, ",%s", failing_report());
    } else if (!h || h->role == NONE) {
        usage("no handle is open");
    } else if (strcmp(line, "recv") == 0) {
        do_recv();
    } else if (strcmp(line, "close") == 0) {
        handle_close();
        answer("close", 0, 0, start, "");
    } else if (strcmp(line, "send") == 0) {
        ssize_t len = payload(rest);
        start = now_ns();
        int result = len < 0 ? -1 : handle_send(buffer, (size_t)len);
        answer(line, result, errno, start, "");
    } else if (h->role == SUB &&
        (strcmp(line, "subscribe") == 0 || strcmp(line, "unsubscribe") == 0)) {
        ssize_t len = payload(rest);
        int result = -1;
        if (len >= 0)
            result = (line[0] == 's' ? sub_subscribe : sub_unsubscribe)(
                h->sub, buffer, (size_t)len);
        answer(line, result, errno, start, "");
    } else if (h->role == PUB && strcmp(line, "idle") == 0) {
        int result = pub_idle(h->pub, now_ns() + a * 1000000);
        answer(line, result, errno, start, "");
    } else if (h->role == REP && strcmp(line, "echo") == 0) {
        do_echo(a);
    } else if (h->role == REQ && strcmp(line, "lengths") == 0) {
        do_lengths((size_t)a, (size_t)b);
    } else if (h->role == REQ && strcmp(line, "busy") == 0) {
        do_busy(a, (size_t)b, (uint64_t)c);
    } else if (h->role == PUB && strcmp(line, "burst") == 0) {
        do_burst(a, (size_t)b, c);
    } else if (h->role == SUB && strcmp(line, "collect") == 0) {
        do_collect(a);
    } else if (h->role == SUB && strcmp(line, "until") == 0) {
        do_until(rest);
    } else {
        usage("unknown command, or not this role's");
    }
    alarm_every(0, 0);
    if (failing_arm)
        failing_arm(NULL);
}

/* Publishers without a thread accept, read and write only in pub_idle(). */
static bool
serve_publishers(void)
{
    bool any = false;
    for (int i = 0; i < opened; i++)
        if (handles[i].role == PUB) {
            (void)pub_idle(handles[i].pub, 0);
            any = true;
        }
    return any;
}

/* Returns the next line of input without its newline; NULL at the end. */
static char *
next_line(void)
{
    static size_t used; /* bytes of the last line in input */
    memmove(input, input + used, input_len -= used);
    used = 0;
    for (;;) {
        char *end = memchr(input, '\n', input_len);
        if (end) {
            *end = '\0';
            used = (size_t)(end - input) + 1;
            return input;
        }
        bool publishing = serve_publishers();
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&in, 1, publishing ? STEP_MS : -1) <= 0)
            continue;
        ssize_t n =
            read(STDIN_FILENO, input + input_len, sizeof(input) - input_len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return NULL;
        input_len += (size_t)n;
    }
}

int
main(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    struct sigaction action = {
        .sa_handler = on_signal}; /* without SA_RESTART */
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    find_failing();
    reserve(LINE); /* so that in a command the panel alone allocates */

    for (char *line; (line = next_line());)
        run_command(line);
    for (int i = 0; i < opened; i++) {
        h = &handles[i];
        handle_close();
    }
    free(buffer);
    return 0;
}

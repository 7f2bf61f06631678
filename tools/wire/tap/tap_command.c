/*
 * Commands at run time: [#N] VERB [up|down|both] [VALUE]. Without #N a fault is
 * applied to all connections there are and all to come. A line that is wrong is
 * answered with an error and changes nothing.
 */
#include "tap_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tap_clock.h"
#include "tap_conn.h"

enum {
    WORDS_MAX = 8,
};

static const char *const states[] = {"connecting", "open", "resetting", "closed"};

static void
print_fault(struct output *output, const char *name, const struct fault *fault)
{
    output_open(output, name, '{');
    if (fault->delay_ns > 0)
        output_ms(output, "delay_ms", fault->delay_ns);
    if (fault->jitter_ns > 0)
        output_ms(output, "jitter_ms", fault->jitter_ns);
    if (fault->rate > 0)
        output_number(output, "rate", fault->rate);
    if (fault->slice > 0)
        output_number(output, "slice", fault->slice);
    if (fault->stall != FAULT_NEVER)
        output_number(output, "stall", fault->stall);
    if (fault->cut != FAULT_NEVER)
        output_number(output, "cut", fault->cut);
    if (fault->reset != FAULT_NEVER)
        output_number(output, "reset", fault->reset);
    output_close(output, '}');
}

static void
print_conn(struct output *output, const struct conn *conn)
{
    output_open(output, NULL, '{');
    output_number(output, "conn", conn->number);
    output_text(output, "state", states[conn->state]);
    output_text(output, "client", conn->ends[0].peer);
    for (int i = 0; i < 2; i++) {
        const struct flow *flow = &conn->flows[i];

        output_open(output, record_direction_name((enum record_direction)i), '{');
        output_number(output, "received", flow->received);
        output_number(output, "passed", flow->passed);
        output_number(output, "held", flow->queue.used);
        output_number(output, "writes", flow->writes);
        print_fault(output, "faults", &flow->fault);
        output_close(output, '}');
    }
    output_close(output, '}');
}

void
command_totals(struct tap *tap)
{
    struct output *output = &tap->output;

    output_number(output, "accepted", tap->accepted);
    output_number(output, "refused", tap->refused);
    output_number(output, "open", tap->open);
    for (int i = 0; i < 2; i++) {
        uint64_t received = tap->received[i];
        uint64_t passed = tap->passed[i];

        for (const struct conn *conn = tap->conns; conn != NULL; conn = conn->next) {
            received += conn->flows[i].received;
            passed += conn->flows[i].passed;
        }
        output_open(output, record_direction_name((enum record_direction)i), '{');
        output_number(output, "received", received);
        output_number(output, "passed", passed);
        output_close(output, '}');
    }
    output_seconds(output, "seconds", clock_ns() - tap->start_ns);
    output_number(output, "dropped_events", output->dropped);
}

static void
print_stats(struct tap *tap, const char *command, uint32_t number)
{
    struct output *output = &tap->output;

    output_begin(output, "stats");
    output_text(output, "command", command);
    command_totals(tap);
    output_open(output, "faults", '{');
    print_fault(output, "up", &tap->faults[0]);
    print_fault(output, "down", &tap->faults[1]);
    output_close(output, '}');
    output_open(output, "connections", '[');
    for (const struct conn *conn = tap->conns; conn != NULL; conn = conn->next)
        if (number == 0 || conn->number == number)
            print_conn(output, conn);
    output_close(output, ']');
    output_end(output);
}

static void
command_fail(struct tap *tap, const char *command, const char *why)
{
    output_begin(&tap->output, "error");
    output_text(&tap->output, "command", command);
    output_text(&tap->output, "text", why);
    output_end(&tap->output);
}

static struct conn *
find(struct tap *tap, uint32_t number)
{
    struct conn *conn = tap->conns;

    while (conn != NULL && conn->number != number)
        conn = conn->next;
    return conn;
}

/* Applies an order to connection number, or with 0 to all and those to come. */
static void
apply(struct tap *tap, const struct fault_order *order, const char *command, uint32_t number)
{
    bool now = !order->valued && (order->verb == FAULT_CUT || order->verb == FAULT_RESET);
    struct conn *next;
    uint64_t count = 0;

    tape_mark(&tap->tape, RECORD_NOTE, number, RECORD_UP, command);
    for (struct conn *conn = tap->conns; conn != NULL; conn = next) {
        next = conn->next;
        if ((number != 0 && conn->number != number) || conn->state > CONN_OPEN)
            continue;
        count++;
        for (int i = 0; i < 2; i++)
            if (order->way[i] && !now)
                flow_order(&conn->flows[i], order);
        if (!now)
            conn_turn(tap, conn);
        else if (order->verb == FAULT_CUT)
            conn_cut(tap, conn);
        else
            conn_reset(tap, conn);
    }
    for (int i = 0; i < 2; i++)
        if (number == 0 && order->way[i] && !now)
            fault_apply(&tap->faults[i], order, 0);
    output_begin(&tap->output, "ok");
    output_text(&tap->output, "command", command);
    output_number(&tap->output, "connections", count);
    output_end(&tap->output);
}

/* One of the words that are no fault. Returns false if it is unknown. */
static bool
run_plain(struct tap *tap, const char *command, const char *word, uint32_t number)
{
    if (strcmp(word, "stats") == 0) {
        print_stats(tap, command, number);
        return true;
    }
    if (number != 0 || (strcmp(word, "flush") != 0 && strcmp(word, "quit") != 0))
        return false;
    if (strcmp(word, "quit") == 0)
        tap->quit = true;
    else
        tape_flush(&tap->tape);
    if (tap->tape.failed && !tap->quit) {
        command_fail(tap, command, "the recording has ended, its file could not be written");
        return true;
    }
    output_begin(&tap->output, "ok");
    output_text(&tap->output, "command", command);
    output_end(&tap->output);
    return true;
}

void
command_run(struct tap *tap, char *line)
{
    char command[sizeof(((struct commands *)0)->line)];
    char *words[WORDS_MAX];
    struct fault_order order;
    uint32_t number = 0;
    size_t n = 0;
    size_t first = 0;
    char *rest = NULL;
    const char *why = "one of: delay jitter rate slice stall cut reset go clear stats flush quit";

    (void)snprintf(command, sizeof(command), "%s", line);
    for (char *at = line; n < WORDS_MAX; at = NULL) {
        words[n] = strtok_r(at, " \t\r", &rest);
        if (words[n] == NULL)
            break;
        n++;
    }
    if (n == 0)
        return;
    if (words[0][0] == '#') {
        char *end;
        unsigned long id = strtoul(words[0] + 1, &end, 10);

        first = 1;
        if (words[0][1] < '0' || words[0][1] > '9' || *end != '\0' || id == 0 || id > UINT32_MAX ||
            find(tap, (uint32_t)id) == NULL) {
            command_fail(tap, command, "there is no such connection now");
            return;
        }
        number = (uint32_t)id;
    }
    switch (fault_parse(&order, words + first, n - first, &why)) {
    case 1:
        apply(tap, &order, command, number);
        return;
    case 0:
        if (n - first == 1 && run_plain(tap, command, words[first], number))
            return;
    }
    command_fail(tap, command, why);
}

/* The end of standard input, whatever was its reason. */
static void
commands_end(struct tap *tap, struct commands *commands)
{
    if (commands->len > 0) { /* a last line without its newline */
        commands->line[commands->len] = '\0';
        command_run(tap, commands->line);
    }
    if (commands->until_eof)
        tap->quit = true;
    (void)epoll_ctl(tap->epoll, EPOLL_CTL_DEL, commands->fd, NULL); /* fails for a file */
    commands->fd = -1;
}

static void
commands_take(struct tap *tap, struct commands *commands, char c)
{
    if (c != '\n') {
        if (commands->len == sizeof(commands->line) - 1)
            commands->skipping = true;
        else
            commands->line[commands->len++] = c;
        return;
    }
    commands->line[commands->len] = '\0';
    commands->len = 0;
    if (commands->skipping)
        command_fail(tap, "...", "the line is too long");
    else if (strlen(commands->line) > 0)
        command_run(tap, commands->line);
    commands->skipping = false;
}

static void
commands_ready(struct tap *tap, struct watch *watch, uint32_t events)
{
    struct commands *commands = (struct commands *)(void *)watch;
    char bytes[4096];
    ssize_t n;

    (void)events;
    if (commands->fd < 0)
        return;
    n = read(commands->fd, bytes, sizeof(bytes));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    /* EIO: in the background of a terminal, which is not ours to read */
    for (ssize_t i = 0; i < n && !tap->quit; i++)
        commands_take(tap, commands, bytes[i]);
    if (n <= 0)
        commands_end(tap, commands);
}

int
commands_open(struct tap *tap, struct commands *commands, int fd)
{
    commands->watch.ready = commands_ready;
    commands->fd = fd;
    if (tap_watch(tap, fd, &commands->watch, EPOLLIN) == 0)
        return 0;
    if (errno != EPERM) /* EPERM: a file, or /dev/null, always ready */
        return -1;
    while (commands->fd >= 0 && !tap->quit)
        commands_ready(tap, &commands->watch, EPOLLIN);
    return 0;
}

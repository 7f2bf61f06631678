/*
 * Commands at run time: [#N] VERB [up|down] [VALUE]. Without #N a fault is
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

#include "clock.h"
#include "tap_conn.h"
#include "tap_listener.h"

enum {
    WORDS_MAX = 8,
};

static const char *const states[] = {"connecting", "open", "resetting", "closed"};

static void
print_fault(struct tap_output *output, const char *name, const struct tap_fault *fault)
{
    tap_output_open(output, name, '{');
    if (fault->delay_ns > 0)
        tap_output_ms(output, "delay_ms", fault->delay_ns);
    if (fault->rate > 0)
        tap_output_number(output, "rate", fault->rate);
    if (fault->slice > 0)
        tap_output_number(output, "slice", fault->slice);
    if (fault->stall != TAP_FAULT_NEVER)
        tap_output_number(output, "stall", fault->stall);
    if (fault->cut != TAP_FAULT_NEVER)
        tap_output_number(output, "cut", fault->cut);
    if (fault->reset != TAP_FAULT_NEVER)
        tap_output_number(output, "reset", fault->reset);
    tap_output_close(output, '}');
}

static void
print_conn(struct tap_output *output, const struct tap_conn *conn)
{
    tap_output_open(output, NULL, '{');
    tap_output_number(output, "conn", conn->number);
    tap_output_text(output, "state", states[conn->state]);
    tap_output_text(output, "client", conn->ends[0].peer);
    for (int i = 0; i < 2; i++) {
        const struct tap_flow *flow = &conn->flows[i];
        tap_output_open(output, record_direction_name((enum record_direction)i), '{');
        tap_output_number(output, "received", flow->received);
        tap_output_number(output, "passed", flow->passed);
        tap_output_number(output, "held", flow->queue.used);
        tap_output_number(output, "writes", flow->writes);
        print_fault(output, "faults", &flow->fault);
        tap_output_close(output, '}');
    }
    tap_output_close(output, '}');
}

void
tap_command_totals(struct tap *tap)
{
    struct tap_output *output = &tap->output;
    tap_output_number(output, "accepted", tap->accepted);
    tap_output_number(output, "refused", tap->refused);
    tap_output_number(output, "open", tap->open);
    for (int i = 0; i < 2; i++) {
        uint64_t received = tap->received[i];
        uint64_t passed = tap->passed[i];
        for (const struct tap_conn *conn = tap->conns; conn; conn = conn->next) {
            received += conn->flows[i].received;
            passed += conn->flows[i].passed;
        }
        tap_output_open(output, record_direction_name((enum record_direction)i), '{');
        tap_output_number(output, "received", received);
        tap_output_number(output, "passed", passed);
        tap_output_close(output, '}');
    }
    tap_output_seconds(output, "seconds", clock_now() - tap->start_ns);
    tap_output_number(output, "dropped_events", output->dropped);
}

static void
print_stats(struct tap *tap, const char *command, uint32_t number)
{
    struct tap_output *output = &tap->output;
    tap_output_begin(output, "stats");
    tap_output_text(output, "command", command);
    tap_command_totals(tap);
    tap_output_open(output, "faults", '{');
    print_fault(output, "up", &tap->faults[0]);
    print_fault(output, "down", &tap->faults[1]);
    tap_output_close(output, '}');
    tap_output_open(output, "connections", '[');
    for (const struct tap_conn *conn = tap->conns; conn; conn = conn->next)
        if (number == 0 || conn->number == number)
            print_conn(output, conn);
    tap_output_close(output, ']');
    tap_output_end(output);
}

static void
tap_command_fail(struct tap *tap, const char *command, const char *why)
{
    tap_output_begin(&tap->output, "error");
    tap_output_text(&tap->output, "command", command);
    tap_output_text(&tap->output, "text", why);
    tap_output_end(&tap->output);
}

static struct tap_conn *
find(struct tap *tap, uint32_t number)
{
    struct tap_conn *conn = tap->conns;
    while (conn && conn->number != number)
        conn = conn->next;
    return conn;
}

/* Applies an order to connection number, or with 0 to all and those to come. */
static void
apply(struct tap *tap, const struct tap_fault_order *order, const char *command, uint32_t number)
{
    bool now = !order->valued && (order->verb == TAP_FAULT_CUT || order->verb == TAP_FAULT_RESET);
    struct tap_conn *next;
    uint64_t count = 0;
    tap_tape_mark(&tap->tape, RECORD_NOTE, number, RECORD_UP, command);
    for (struct tap_conn *conn = tap->conns; conn; conn = next) {
        next = conn->next;
        if ((number != 0 && conn->number != number) || conn->state > TAP_CONN_OPEN)
            continue;
        count++;
        for (int i = 0; i < 2; i++)
            if (order->way[i] && !now)
                tap_flow_order(&conn->flows[i], order);
        if (!now)
            tap_conn_turn(tap, conn);
        else if (order->verb == TAP_FAULT_CUT)
            tap_conn_cut(tap, conn);
        else
            tap_conn_reset(tap, conn);
    }
    for (int i = 0; i < 2; i++)
        if (number == 0 && order->way[i] && !now)
            tap_fault_apply(&tap->faults[i], order, 0);
    tap_output_begin(&tap->output, "ok");
    tap_output_text(&tap->output, "command", command);
    tap_output_number(&tap->output, "connections", count);
    tap_output_end(&tap->output);
}

/* From now on clients are refused, or no longer. */
static void
run_listener(struct tap *tap, const char *command, bool shut)
{
    tap_tape_mark(&tap->tape, RECORD_NOTE, 0, RECORD_UP, command);
    if (shut) {
        tap_listener_close(tap);
    } else if (tap->listener.fd < 0 && tap_listener_open(tap) < 0) {
        tap_command_fail(tap, command, strerror(errno));
        return;
    }
    tap_output_begin(&tap->output, "ok");
    tap_output_text(&tap->output, "command", command);
    tap_output_end(&tap->output);
}

/* One of the words that are no fault. Returns false if it is unknown. */
static bool
run_plain(struct tap *tap, const char *command, const char *word, uint32_t number)
{
    if (strcmp(word, "stats") == 0) {
        print_stats(tap, command, number);
        return true;
    }
    if (number == 0 && (strcmp(word, "shut") == 0 || strcmp(word, "listen") == 0)) {
        run_listener(tap, command, strcmp(word, "shut") == 0);
        return true;
    }
    if (number != 0 || (strcmp(word, "flush") != 0 && strcmp(word, "quit") != 0))
        return false;
    if (strcmp(word, "quit") == 0)
        tap->quit = true;
    else
        tap_tape_flush(&tap->tape);
    if (tap->tape.failed && !tap->quit) {
        tap_command_fail(tap, command, "the recording has ended, its file could not be written");
        return true;
    }
    tap_output_begin(&tap->output, "ok");
    tap_output_text(&tap->output, "command", command);
    tap_output_end(&tap->output);
    return true;
}

/* Runs one command and prints what came of it. Cuts the line to words in place. */
static void
tap_command_run(struct tap *tap, char *line)
{
    char command[sizeof(((struct tap_commands *)0)->line)];
    char *words[WORDS_MAX];
    struct tap_fault_order order;
    uint32_t number = 0;
    size_t n = 0;
    size_t first = 0;
    char *rest = NULL;
    const char *why =
        "one of: delay rate slice stall cut reset go clear shut listen stats flush quit";
    (void)snprintf(command, sizeof(command), "%s", line);
    for (char *at = line; n < WORDS_MAX; at = NULL) {
        words[n] = strtok_r(at, " \t\r", &rest);
        if (!words[n])
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
            !find(tap, (uint32_t)id)) {
            tap_command_fail(tap, command, "there is no such connection now");
            return;
        }
        number = (uint32_t)id;
    }
    switch (tap_fault_parse(&order, words + first, n - first, &why)) {
    case 1:
        apply(tap, &order, command, number);
        return;
    case 0:
        if (n - first == 1 && run_plain(tap, command, words[first], number))
            return;
    }
    tap_command_fail(tap, command, why);
}

/* The end of standard input, whatever was its reason. */
static void
tap_commands_end(struct tap *tap, struct tap_commands *commands)
{
    if (commands->len > 0) { /* a last line without its newline */
        commands->line[commands->len] = '\0';
        tap_command_run(tap, commands->line);
    }
    if (commands->until_eof)
        tap->quit = true;
    (void)epoll_ctl(tap->epoll, EPOLL_CTL_DEL, commands->fd, NULL); /* fails for a file */
    commands->fd = -1;
}

static void
tap_commands_take(struct tap *tap, struct tap_commands *commands, char c)
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
        tap_command_fail(tap, "...", "the line is too long");
    else if (strlen(commands->line) > 0)
        tap_command_run(tap, commands->line);
    commands->skipping = false;
}

static void
tap_commands_ready(struct tap *tap, struct tap_watch *watch, uint32_t events)
{
    struct tap_commands *commands = (struct tap_commands *)(void *)watch;
    char bytes[4096];
    (void)events;
    if (commands->fd < 0)
        return;
    ssize_t n = read(commands->fd, bytes, sizeof(bytes));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    /* EIO: in the background of a terminal, which is not ours to read */
    for (ssize_t i = 0; i < n && !tap->quit; i++)
        tap_commands_take(tap, commands, bytes[i]);
    if (n <= 0)
        tap_commands_end(tap, commands);
}

int
tap_commands_open(struct tap *tap, struct tap_commands *commands, int fd)
{
    commands->watch.ready = tap_commands_ready;
    commands->fd = fd;
    if (tap_watch(tap, fd, &commands->watch, EPOLLIN) == 0)
        return 0;
    if (errno != EPERM) /* EPERM: a file, or /dev/null, always ready */
        return -1;
    while (commands->fd >= 0 && !tap->quit)
        tap_commands_ready(tap, &commands->watch, EPOLLIN);
    return 0;
}

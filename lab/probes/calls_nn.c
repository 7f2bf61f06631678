/*
 * The calls of nanomsg, or of NNG's nn_ interface, one a line, with no option
 * but those that are set: for what the interface of the panels has no word for.
 *
 *   socket PUSH            any type; it becomes the current one
 *   use N                  chooses the N-th socket, from 0, for the next lines
 *   set LINGER 0           an option by its name, without NN_; get RCVMAXSIZE
 *   bind URL, connect URL
 *   send TEXT | send -s BYTES, recv
 *   flood COUNT BYTES      sends numbered messages until one fails
 *   drain                  receives until a receive fails: "count", "first", "last"
 *   poll MS                poll(2) on NN_RCVFD: 1 it is readable, 0 it is not
 *   statistic CURRENT_CONNECTIONS    nanomsg: without NN_STAT_
 *   close                  the current socket
 *
 * Without SNDTIMEO and RCVTIMEO a call waits for ever, as in any program.
 */
#include "calls.h"

#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/survey.h>
#include <poll.h>

static const struct name types[] = {{"PUSH", NN_PUSH}, {"PULL", NN_PULL}, {"REQ", NN_REQ},
    {"REP", NN_REP}, {"PUB", NN_PUB}, {"SUB", NN_SUB}, {"PAIR", NN_PAIR}, {"SURVEYOR", NN_SURVEYOR},
    {"RESPONDENT", NN_RESPONDENT}};
static const struct name integers[] = {{"LINGER", NN_LINGER}, {"SNDBUF", NN_SNDBUF},
    {"RCVBUF", NN_RCVBUF}, {"SNDTIMEO", NN_SNDTIMEO}, {"RCVTIMEO", NN_RCVTIMEO},
    {"RECONNECT_IVL", NN_RECONNECT_IVL}, {"RCVMAXSIZE", NN_RCVMAXSIZE}};

static int sockets[SOCKETS];
static int opened, current;

static void
answer_result(int result)
{
    answer(result, nn_errno(), nn_strerror(nn_errno()), "");
}

static int
set_option(int socket)
{
    const char *value = rest + strcspn(rest, " ");
    value += *value == ' ';
    int number = NUMBER_OF(integers, rest), integer = atoi(value);
    if (number >= 0)
        return nn_setsockopt(socket, NN_SOL_SOCKET, number, &integer, sizeof(integer));
    if (strncmp(rest, "SUBSCRIBE", 9) == 0)
        return nn_setsockopt(socket, NN_SUB, NN_SUB_SUBSCRIBE, value, strlen(value));
    if (strncmp(rest, "REQ_RESEND_IVL ", 15) == 0)
        return nn_setsockopt(socket, NN_REQ, NN_REQ_RESEND_IVL, &integer, sizeof(integer));
    if (strncmp(rest, "SURVEYOR_DEADLINE ", 18) == 0)
        return nn_setsockopt(socket, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, &integer, sizeof(integer));
    errno = EINVAL;
    return -1;
}

static void
get_option(int socket)
{
    int value = 0;
    size_t len = sizeof(value);
    int result = nn_getsockopt(socket, NN_SOL_SOCKET, NUMBER_OF(integers, rest), &value, &len);
    answer(result, nn_errno(), nn_strerror(nn_errno()), ",\"value\":%d", value);
}

static void
receive(int socket)
{
    int len = nn_recv(socket, message, sizeof(message), 0);
    if (len < 0) {
        answer_result(-1);
        return;
    }
    printf("{\"command\":\"recv\",\"errno\":null,\"result\":%d,\"text\":", len);
    json_string(stdout, message, (size_t)len < 64 ? (size_t)len : 64);
    printf(",\"us\":%" PRId64 "}\n", (clock_now() - started) / CLOCK_US);
    fflush(stdout);
}

static void
flood(int socket)
{
    char *end;
    long count = strtol(rest, &end, 10), sent = 0;
    size_t len = strtoul(end, NULL, 10);
    int stopped = 0;
    for (; sent < count && !stopped; sent += !stopped) {
        compose_event(sent + 1, len);
        stopped = nn_send(socket, message, len, 0) < 0 ? nn_errno() : 0;
    }
    answer(sent, 0, "", ",\"stopped\":\"%s\"", stopped ? strerrorname_np(stopped) : "");
}

static void
drain(int socket)
{
    struct drained all = {0};
    for (int len; (len = nn_recv(socket, message, sizeof(message), 0)) >= 0;)
        drained_add(&all, message, (size_t)len);
    answer(all.count, 0, "", ",\"first\":%ld,\"last\":%ld,\"in_order\":%s", all.first, all.last,
        all.in_order ? "true" : "false");
}

/* poll(2) as an event loop would call it on the descriptor that the library gives. */
static void
poll_fd(int socket)
{
    struct pollfd pollfd = {.events = POLLIN};
    size_t len = sizeof(pollfd.fd);
    int result = nn_getsockopt(socket, NN_SOL_SOCKET, NN_RCVFD, &pollfd.fd, &len);
    answer_result(result < 0 ? -1 : poll(&pollfd, 1, atoi(rest)));
}

/* NNG's header declares the function and no statistic. */
static void
statistic(int socket)
{
#ifdef NN_STAT_ESTABLISHED_CONNECTIONS
    static const struct name statistics[] = {
        {"ESTABLISHED_CONNECTIONS", NN_STAT_ESTABLISHED_CONNECTIONS},
        {"ACCEPTED_CONNECTIONS", NN_STAT_ACCEPTED_CONNECTIONS},
        {"BROKEN_CONNECTIONS", NN_STAT_BROKEN_CONNECTIONS},
        {"CONNECT_ERRORS", NN_STAT_CONNECT_ERRORS},
        {"CURRENT_CONNECTIONS", NN_STAT_CURRENT_CONNECTIONS},
        {"MESSAGES_SENT", NN_STAT_MESSAGES_SENT}, {"MESSAGES_RECEIVED", NN_STAT_MESSAGES_RECEIVED}};
    uint64_t value = nn_get_statistic(socket, NUMBER_OF(statistics, rest));
#else
    uint64_t value = nn_get_statistic(socket, 0);
#endif
    answer(value == (uint64_t)-1 ? -1 : 0, nn_errno(), nn_strerror(nn_errno()),
        ",\"value\":%" PRIu64, value);
}

static int
run(int socket)
{
    if (is("set"))
        answer_result(set_option(socket));
    else if (is("get"))
        get_option(socket);
    else if (is("bind"))
        answer_result(nn_bind(socket, rest));
    else if (is("connect"))
        answer_result(nn_connect(socket, rest));
    else if (is("send"))
        answer_result(nn_send(socket, message, compose(), 0));
    else if (is("recv"))
        receive(socket);
    else if (is("flood"))
        flood(socket);
    else if (is("drain"))
        drain(socket);
    else if (is("poll"))
        poll_fd(socket);
    else if (is("statistic"))
        statistic(socket);
    else if (is("close"))
        answer_result(nn_close(socket));
    else
        refuse("no such command");
    return 0;
}

int
main(void)
{
    alarm(LIFE_S);
    while (next_command()) {
        if (is("socket") && opened < SOCKETS) {
            current = opened++;
            sockets[current] = nn_socket(AF_SP, NUMBER_OF(types, rest));
            answer_result(sockets[current] < 0 ? -1 : current);
        } else if (is("use")) {
            current = atoi(rest) < opened ? atoi(rest) : current;
            answer_result(current);
        } else
            run(sockets[current]);
    }
    _exit(0); /* nothing is closed unless a line said so */
}

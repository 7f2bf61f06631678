/*
 * ZeroMQ's own calls, one a line, with no option but those that are set: for
 * what the interface of the panels has no word for.
 *
 *   socket PUSH            any type; it becomes the current one
 *   use N                  chooses the N-th socket, from 0, for the next lines
 *   set LINGER 0           an option by its name, without ZMQ_; get LAST_ENDPOINT
 *   bind URL, connect URL
 *   send TEXT | send -s BYTES, more TEXT: with ZMQ_SNDMORE
 *   recv                   "text", and "parts": all of a multipart message
 *   flood COUNT BYTES      sends numbered messages until one fails
 *   drain                  receives until a receive fails: "count", "first", "last"
 *   poll MS                poll(2) on ZMQ_FD: 1 it is readable, 0 it is not
 *   monitor, events        what the socket's monitor has told
 *   close, term            the current socket; the context
 *
 * Without SNDTIMEO and RCVTIMEO a call waits for ever, as in any program.
 */
#include "calls.h"

#include <poll.h>
#include <zmq.h>

static const struct name types[] = {{"PUSH", ZMQ_PUSH}, {"PULL", ZMQ_PULL}, {"REQ", ZMQ_REQ},
    {"REP", ZMQ_REP}, {"DEALER", ZMQ_DEALER}, {"ROUTER", ZMQ_ROUTER}, {"PUB", ZMQ_PUB},
    {"SUB", ZMQ_SUB}, {"XPUB", ZMQ_XPUB}, {"PAIR", ZMQ_PAIR}};
static const struct name integers[] = {{"LINGER", ZMQ_LINGER}, {"SNDHWM", ZMQ_SNDHWM},
    {"RCVHWM", ZMQ_RCVHWM}, {"SNDTIMEO", ZMQ_SNDTIMEO}, {"RCVTIMEO", ZMQ_RCVTIMEO},
    {"IMMEDIATE", ZMQ_IMMEDIATE}, {"CONFLATE", ZMQ_CONFLATE}, {"XPUB_NODROP", ZMQ_XPUB_NODROP},
    {"ROUTER_MANDATORY", ZMQ_ROUTER_MANDATORY}, {"REQ_RELAXED", ZMQ_REQ_RELAXED},
    {"REQ_CORRELATE", ZMQ_REQ_CORRELATE}, {"RECONNECT_IVL", ZMQ_RECONNECT_IVL},
    {"EVENTS", ZMQ_EVENTS}, {"SNDBUF", ZMQ_SNDBUF}, {"RCVBUF", ZMQ_RCVBUF}};
static const struct name longs[] = {{"MAXMSGSIZE", ZMQ_MAXMSGSIZE}};
static const struct name texts[] = {{"SUBSCRIBE", ZMQ_SUBSCRIBE}, {"ROUTING_ID", ZMQ_ROUTING_ID},
    {"LAST_ENDPOINT", ZMQ_LAST_ENDPOINT}};
static const struct name event_names[] = {{"connected", ZMQ_EVENT_CONNECTED},
    {"connect delayed", ZMQ_EVENT_CONNECT_DELAYED}, {"connect retried", ZMQ_EVENT_CONNECT_RETRIED},
    {"listening", ZMQ_EVENT_LISTENING}, {"accepted", ZMQ_EVENT_ACCEPTED},
    {"disconnected", ZMQ_EVENT_DISCONNECTED}, {"closed", ZMQ_EVENT_CLOSED},
    {"handshake succeeded", ZMQ_EVENT_HANDSHAKE_SUCCEEDED},
    {"handshake failed", ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL},
    {"handshake failed", ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL}};

static void *ctx, *sockets[SOCKETS], *monitor;
static int opened, current;

static void
answer_result(int result)
{
    answer(result, errno, zmq_strerror(errno), "");
}

static int
set_option(void *socket)
{
    const char *value = rest + strcspn(rest, " ");
    value += *value == ' ';
    int number, small = atoi(value);
    int64_t large = atoll(value);
    if ((number = NUMBER_OF(integers, rest)) >= 0)
        return zmq_setsockopt(socket, number, &small, sizeof(small));
    if ((number = NUMBER_OF(longs, rest)) >= 0)
        return zmq_setsockopt(socket, number, &large, sizeof(large));
    if ((number = NUMBER_OF(texts, rest)) >= 0)
        return zmq_setsockopt(socket, number, value, strlen(value));
    errno = EINVAL;
    return -1;
}

static void
get_option(void *socket)
{
    int number, value = 0;
    char text[256] = "";
    size_t value_len = sizeof(value), text_len = sizeof(text);
    if ((number = NUMBER_OF(integers, rest)) >= 0)
        answer(zmq_getsockopt(socket, number, &value, &value_len), errno, zmq_strerror(errno),
            ",\"value\":%d", value);
    else if ((number = NUMBER_OF(texts, rest)) >= 0) {
        int result = zmq_getsockopt(socket, number, text, &text_len);
        answer(result, errno, zmq_strerror(errno), ",\"value\":\"%s\"", text);
    } else
        refuse("get: no such option");
}

static void
receive(void *socket)
{
    int more, len = zmq_recv(socket, message, sizeof(message), 0);
    size_t size = sizeof(more);
    if (len < 0) {
        answer_result(-1);
        return;
    }
    printf("{\"command\":\"recv\",\"errno\":null,\"parts\":[");
    for (const char *comma = "";; comma = ",") {
        printf("%s", comma);
        json_string(stdout, message, (size_t)len < 64 ? (size_t)len : 64);
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) < 0 || !more)
            break;
        len = zmq_recv(socket, message, sizeof(message), 0);
    }
    printf("],\"result\":%d,\"text\":", len);
    json_string(stdout, message, (size_t)len < 64 ? (size_t)len : 64);
    printf(",\"us\":%" PRId64 "}\n", (clock_now() - started) / CLOCK_US);
    fflush(stdout);
}

static void
flood(void *socket)
{
    char *end;
    long count = strtol(rest, &end, 10), sent = 0;
    size_t len = strtoul(end, NULL, 10);
    int stopped = 0;
    for (; sent < count && !stopped; sent += !stopped) {
        compose_event(sent + 1, len);
        stopped = zmq_send(socket, message, len, 0) < 0 ? errno : 0;
    }
    answer(sent, 0, "", ",\"stopped\":\"%s\"", stopped ? strerrorname_np(stopped) : "");
}

static void
drain(void *socket)
{
    struct drained all = {0};
    for (int len; (len = zmq_recv(socket, message, sizeof(message), 0)) >= 0;)
        drained_add(&all, message, (size_t)len);
    answer(all.count, 0, "", ",\"first\":%ld,\"last\":%ld,\"in_order\":%s", all.first, all.last,
        all.in_order ? "true" : "false");
}

/* poll(2) as an event loop would call it on the descriptor that the library gives. */
static void
poll_fd(void *socket)
{
    struct pollfd pollfd = {.events = POLLIN};
    size_t len = sizeof(pollfd.fd);
    int result = zmq_getsockopt(socket, ZMQ_FD, &pollfd.fd, &len);
    answer_result(result < 0 ? -1 : poll(&pollfd, 1, atoi(rest)));
}

/* A message of a monitor: u16 the event, u32 its value; then another part, the address. */
static void
print_events(void)
{
    unsigned char event[6];
    int timeout = 20, number = 0;
    printf("{\"command\":\"events\",\"result\":0,\"errno\":null,\"names\":[");
    (void)zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &timeout, sizeof(timeout));
    while (zmq_recv(monitor, event, sizeof(event), 0) == sizeof(event)) {
        uint16_t bit;
        memcpy(&bit, event, sizeof(bit));
        const char *name = "another";
        for (size_t i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++)
            name = event_names[i].number == bit ? event_names[i].name : name;
        printf("%s\"%s\"", number++ ? "," : "", name);
        (void)zmq_recv(monitor, message, sizeof(message), 0); /* the address */
    }
    printf("]}\n");
    fflush(stdout);
}

static int
run(void *socket)
{
    if (is("set"))
        answer_result(set_option(socket));
    else if (is("get"))
        get_option(socket);
    else if (is("bind"))
        answer_result(zmq_bind(socket, rest));
    else if (is("connect"))
        answer_result(zmq_connect(socket, rest));
    else if (is("send"))
        answer_result(zmq_send(socket, message, compose(), 0));
    else if (is("more"))
        answer_result(zmq_send(socket, message, compose(), ZMQ_SNDMORE));
    else if (is("recv"))
        receive(socket);
    else if (is("flood"))
        flood(socket);
    else if (is("drain"))
        drain(socket);
    else if (is("poll"))
        poll_fd(socket);
    else if (is("monitor")) {
        int result = zmq_socket_monitor(socket, "inproc://monitor", ZMQ_EVENT_ALL);
        monitor = zmq_socket(ctx, ZMQ_PAIR);
        answer_result(result < 0 ? -1 : zmq_connect(monitor, "inproc://monitor"));
    } else if (is("events"))
        print_events();
    else if (is("close"))
        answer_result(zmq_close(socket));
    else if (is("term"))
        answer_result(zmq_ctx_term(ctx));
    else
        refuse("no such command");
    return 0;
}

int
main(void)
{
    alarm(LIFE_S);
    ctx = zmq_ctx_new();
    if (!ctx)
        return 1;
    while (next_command()) {
        if (is("socket") && opened < SOCKETS) {
            current = opened++;
            sockets[current] = zmq_socket(ctx, NUMBER_OF(types, rest));
            answer_result(sockets[current] ? current : -1);
        } else if (is("use")) {
            current = atoi(rest) < opened ? atoi(rest) : current;
            answer_result(current);
        } else
            run(sockets[current]);
    }
    _exit(0); /* nothing is closed and nothing waits unless a line said so */
}

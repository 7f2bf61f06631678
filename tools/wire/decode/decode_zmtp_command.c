/*
 * What stands in a ZMTP command's frame: a name and its data. READY's
 * properties, ERROR's reason: rfc.zeromq.org/spec/23; SUBSCRIBE, CANCEL, JOIN,
 * LEAVE, PING, PONG: /37; PLAIN's HELLO: /24. CURVE's layouts (/25, /26) are in
 * decode_zmtp_curve.c. Of other mechanisms the names are shown, no more.
 */
#include <string.h>

#include "decode_machine.h"

/* The rest of a frame as one element, if there is any; then the next frame. */
static void
rest(struct decode *decode)
{
    uint64_t len = decode->left;
    decode_text(decode, 0, len);
    decode_element(decode, len, "zmtp.data", "data %s", decode_quote(decode, 0, len));
    decode_zmtp_next(decode);
}

void
decode_zmtp_rest(struct decode *decode)
{
    if (decode->left == 0)
        decode_zmtp_next(decode);
    else
        decode_expect(decode, decode->left, rest, "zmtp.data");
}

/* What a command should not hold, or what we do not know. */
static void
odd(struct decode *decode)
{
    decode->part = DECODE_UNKNOWN;
    decode_zmtp_rest(decode);
}

/* READY's and INITIATE's properties: name length u8, name, value length u32, value. */

static void property(struct decode *decode);

static void
expect_property(struct decode *decode)
{
    if (decode->left == 0)
        decode_zmtp_next(decode);
    else
        decode_expect(decode, 1, property, "zmtp.property.name");
}

static enum decode_socket
socket_named(const char *name, size_t len)
{
    for (int i = SOCKET_PAIR; i < SOCKETS; i++) {
        const char *known = decode_zmtp_socket_name((enum decode_socket)i);
        if (len == strlen(known) && memcmp(name, known, len) == 0)
            return (enum decode_socket)i;
    }
    return SOCKET_UNKNOWN;
}

static void
property_value(struct decode *decode)
{
    uint64_t len = decode_number(decode, 0, 4);
    if (4 + len > decode->left) {
        odd(decode);
        return;
    }
    if (decode->got < 4 + len) {
        decode_expect(decode, 4 + len, property_value, "zmtp.property.value");
        return;
    }
    if (decode->zmtp.is_socket_type)
        decode->zmtp.socket = socket_named((const char *)decode->held + 4, (size_t)len);
    decode_text(decode, 4, len);
    decode_element(decode, 4 + len, "zmtp.property.value", "%llu bytes: %s",
        (unsigned long long)len, decode_quote(decode, 4, len));
    expect_property(decode);
}

static void
property(struct decode *decode)
{
    uint64_t len = decode_number(decode, 0, 1);
    if (len == 0 || 1 + len + 4 > decode->left) {
        odd(decode);
        return;
    }
    if (decode->got < 1 + len) {
        decode_expect(decode, 1 + len, property, "zmtp.property.name");
        return;
    }
    static const char socket_type[] = "Socket-Type";
    decode->zmtp.is_socket_type = len == strlen(socket_type) &&
        strncasecmp((const char *)decode->held + 1, socket_type, (size_t)len) == 0;
    decode_text(decode, 1, len);
    decode_element(
        decode, 1 + len, "zmtp.property.name", "property %s", decode_quote(decode, 1, len));
    decode_expect(decode, 4, property_value, "zmtp.property.value");
}

/* ERROR's reason, PLAIN's user name and password: each a length u8 and a string. */

static void
short_string(struct decode *decode, const char *field, const char *what, decode_step *step)
{
    uint64_t len = decode_number(decode, 0, 1);
    if (1 + len > decode->left) {
        odd(decode);
        return;
    }
    if (decode->got < 1 + len) {
        decode_expect(decode, 1 + len, decode->step, field);
        return;
    }
    decode_text(decode, 1, len);
    decode_element(decode, 1 + len, field, "%s %s", what, decode_quote(decode, 1, len));
    if (step && decode->left > 0)
        decode_expect(decode, 1, step, field);
    else
        odd(decode);
}

static void
reason(struct decode *decode)
{
    short_string(decode, "zmtp.error.reason", "reason", NULL);
}

static void
password(struct decode *decode)
{
    short_string(decode, "zmtp.hello.password", "password, in clear:", NULL);
}

static void
username(struct decode *decode)
{
    short_string(decode, "zmtp.hello.username", "user", password);
}

/* 3.1: a subscription is a command; its data the prefix. JOIN's and LEAVE's are a group. */

void
decode_zmtp_prefix(struct decode *decode)
{
    decode_text(decode, 0, decode->left);
    decode_element(
        decode, decode->left, "zmtp.prefix", "prefix %s", decode_quote(decode, 0, decode->left));
    decode_zmtp_next(decode);
}

static void
group(struct decode *decode)
{
    decode_text(decode, 0, decode->left);
    decode_element(
        decode, decode->left, "zmtp.group", "group %s", decode_quote(decode, 0, decode->left));
    decode_zmtp_next(decode);
}

/* PING: how long the peer may wait, in tenths of a second, and a context that PONG repeats. */

static void
context(struct decode *decode)
{
    uint64_t len = decode->left;
    decode_text(decode, 0, len);
    decode_element(decode, len, "zmtp.context", "context %s", decode_quote(decode, 0, len));
    decode_zmtp_next(decode);
}

static void
expect_context(struct decode *decode)
{
    if (decode->left == 0)
        decode_zmtp_next(decode);
    else
        decode_expect(decode, decode->left, context, "zmtp.context");
}

static void
ttl(struct decode *decode)
{
    uint64_t tenths = decode_number(decode, 0, 2);
    decode_value(decode, tenths);
    decode_element(decode, 2, "zmtp.ttl", "time to live %llu.%llu s",
        (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10));
    expect_context(decode);
}

static bool
is(const struct decode *decode, const char *name)
{
    size_t len = strlen(name);
    return decode->held[0] == len && memcmp(decode->held + 1, name, len) == 0;
}

enum command {
    TABLE_COMMANDS,
    COMMAND_OTHER
};

enum data {
    DATA_NONE,
    DATA_PROPERTIES,
    DATA_REASON,
    DATA_LOGIN,
    DATA_PREFIX,
    DATA_GROUP,
    DATA_TIME,
    DATA_CONTEXT
};

static const struct {
    const char *name;
    const char *meaning;
    enum data data;
} commands[] = {TABLE_COMMAND_DATA};

/* The form of the data, as far as they are in clear. */
static enum data
form(const struct decode *decode, enum command command)
{
    bool plain = decode->zmtp.mechanism == MECHANISM_PLAIN;
    if (command == COMMAND_OTHER)
        return DATA_NONE;
    if (decode_sealed(decode) && command != COMMAND_ERROR)
        return DATA_NONE;
    if (!plain && (command == COMMAND_HELLO || command == COMMAND_INITIATE))
        return DATA_NONE; /* of NULL they are nothing */
    return commands[command].data;
}

/* The name has been handed out. */
static void
command_data(struct decode *decode, enum data data)
{
    uint64_t left = decode->left;
    if (left == 0)
        decode_zmtp_next(decode);
    else if (data == DATA_REASON)
        decode_expect(decode, 1, reason, "zmtp.error.reason");
    else if (data == DATA_PROPERTIES)
        expect_property(decode);
    else if (data == DATA_LOGIN)
        decode_expect(decode, 1, username, "zmtp.hello.username");
    else if (data == DATA_PREFIX)
        decode_expect(decode, left, decode_zmtp_prefix, "zmtp.prefix");
    else if (data == DATA_GROUP)
        decode_expect(decode, left, group, "zmtp.group");
    else if (data == DATA_TIME && left >= 2)
        decode_expect(decode, 2, ttl, "zmtp.ttl");
    else if (data == DATA_CONTEXT)
        expect_context(decode);
    else
        odd(decode);
}

/*
 * libzmq 4.3.4 gives a SUBSCRIBE or CANCEL of a prefix of 246 to 255 bytes a
 * length that is 256 too small (mended in 4.3.5): the name does not fit then,
 * and the frames' borders are lost.
 */
static bool
length_wrapped(const struct decode *decode)
{
    static const char subscribe[] = "\x09SUBSCRIBE",
                      cancel[] = "\x06"
                                 "CANCEL";
    size_t len = (size_t)decode->left;
    return len < sizeof(subscribe) &&
        (memcmp(decode->held, subscribe, len) == 0 ||
            (len < sizeof(cancel) && memcmp(decode->held, cancel, len) == 0));
}

static void
nameless(struct decode *decode)
{
    if (length_wrapped(decode))
        decode_unknown(decode, "a command whose length is wrong: the frames' borders are lost");
    else
        rest(decode);
}

void
decode_zmtp_command(struct decode *decode)
{
    uint64_t len = decode_number(decode, 0, 1);
    if (len == 0 || 1 + len > decode->left) {
        decode->part = DECODE_UNKNOWN;
        decode_expect(decode, decode->left, nameless, "zmtp.data");
        return;
    }
    if (decode->got < 1 + len) {
        decode_expect(decode, 1 + len, decode_zmtp_command, "zmtp.command");
        return;
    }
    if (decode->zmtp.mechanism == MECHANISM_CURVE && decode_zmtp_curve(decode, (size_t)len))
        return;
    int command = 0;
    while (command < COMMAND_OTHER && !is(decode, commands[command].name))
        command++;
    enum data data = form(decode, (enum command)command);
    bool all = data == DATA_PREFIX && decode->left == 1 + len;
    if (command == COMMAND_READY || command == COMMAND_INITIATE)
        decode->zmtp.ready = true;
    decode_text(decode, 1, len);
    if (command == COMMAND_OTHER)
        decode_element(decode, 1 + len, "zmtp.command", "command %s", decode_quote(decode, 1, len));
    else
        decode_element(decode, 1 + len, "zmtp.command", "command %s%s%s", commands[command].name,
            data == DATA_NONE ? "" : commands[command].meaning,
            all ? ": the empty prefix, all messages" : "");
    command_data(decode, data);
}

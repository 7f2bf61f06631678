/*
 * What stands in a ZMTP command's frame: a name and its data. READY's
 * properties, ERROR's reason: rfc.zeromq.org/spec/23; SUBSCRIBE, CANCEL, PING,
 * PONG: /37; PLAIN's HELLO: /24. CURVE's (/25) are boxes: nobody can look
 * inside. And 3.0's subscription, which is a message but means the same.
 */
#include <string.h>

#include "decode_machine.h"

/* The rest of a frame as one element, if there is any; then the next frame. */
static void
rest(struct decode *decode)
{
    uint64_t len = decode->left;
    decode_text(decode, 0, len);
    if (decode->zmtp.curve)
        decode_element(
            decode, len, "zmtp.data", "%llu bytes, boxed by CURVE", (unsigned long long)len);
    else
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

static void
property_value(struct decode *decode)
{
    uint64_t len = decode_number(decode, 0, 4);
    if (4 + len > decode->left) {
        decode_zmtp_rest(decode);
        return;
    }
    if (decode->got < 4 + len) {
        decode_expect(decode, 4 + len, property_value, "zmtp.property.value");
        return;
    }
    if (decode->zmtp.is_socket_type) {
        static const char *const reqrep[] = {"REQ", "REP", "DEALER", "ROUTER"};
        const char *type = (const char *)decode->held + 4;
        for (size_t i = 0; i < 4; i++)
            if (len == strlen(reqrep[i]) && memcmp(type, reqrep[i], (size_t)len) == 0)
                decode->zmtp.socket = SOCKET_REQREP;
        if ((len == 3 && memcmp(type, "SUB", 3) == 0) || (len == 4 && memcmp(type, "XSUB", 4) == 0))
            decode->zmtp.socket = SOCKET_SUB;
    }
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
        decode_zmtp_rest(decode);
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
        decode_zmtp_rest(decode);
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
        decode_zmtp_rest(decode);
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

/* 3.1: a subscription is a command; its data the prefix. */

static void
subscribe_prefix(struct decode *decode)
{
    decode_text(decode, 0, decode->left);
    decode_element(
        decode, decode->left, "zmtp.prefix", "prefix %s", decode_quote(decode, 0, decode->left));
    decode_zmtp_next(decode);
}

/* 3.0: it is a message, of 01 or 00 and the prefix. */

void
decode_zmtp_subscription(struct decode *decode)
{
    uint64_t what = decode_number(decode, 0, 1);
    if (what > 1) {
        decode->part = DECODE_MESSAGE;
        decode_zmtp_rest(decode);
        return;
    }
    bool all = decode->left == 1;
    decode_value(decode, what);
    decode_element(decode, 1, "zmtp.subscription", "%s, as a message%s",
        what ? "subscribe" : "unsubscribe", all ? ": the empty prefix, all messages" : "");
    if (all)
        decode_zmtp_next(decode);
    else
        decode_expect(decode, decode->left, subscribe_prefix, "zmtp.prefix");
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
    READY,
    ERROR,
    HELLO,
    SUBSCRIBE,
    CANCEL,
    PING,
    PONG,
    OTHER
};

static const struct {
    const char *name;
    const char *meaning;
} commands[] = {
    [READY] = {"READY", "command READY: these are my properties"},
    [ERROR] = {"ERROR", "command ERROR: handshake refused"},
    [HELLO] = {"HELLO", "command HELLO"},
    [SUBSCRIBE] = {"SUBSCRIBE", "command SUBSCRIBE"},
    [CANCEL] = {"CANCEL", "command CANCEL: unsubscribe"},
    [PING] = {"PING", "command PING: are you there?"},
    [PONG] = {"PONG", "command PONG: yes"},
};

/* The name has been handed out: its data. */
static void
command_data(struct decode *decode, enum command command, bool initiate)
{
    bool plain = decode->zmtp.plain;
    bool empty = decode->left == 0;
    if (decode->zmtp.curve || empty)
        decode_zmtp_rest(decode);
    else if (command == READY || (initiate && plain))
        expect_property(decode);
    else if (command == ERROR)
        decode_expect(decode, 1, reason, "zmtp.error.reason");
    else if (command == HELLO && plain)
        decode_expect(decode, 1, username, "zmtp.hello.username");
    else if (command == SUBSCRIBE || command == CANCEL)
        decode_expect(decode, decode->left, subscribe_prefix, "zmtp.prefix");
    else if (command == PING && decode->left >= 2)
        decode_expect(decode, 2, ttl, "zmtp.ttl");
    else if (command == PONG)
        expect_context(decode);
    else
        decode_zmtp_rest(decode);
}

void
decode_zmtp_command(struct decode *decode)
{
    uint64_t len = decode_number(decode, 0, 1);
    if (len == 0 || 1 + len > decode->left) {
        decode_zmtp_rest(decode);
        return;
    }
    if (decode->got < 1 + len) {
        decode_expect(decode, 1 + len, decode_zmtp_command, "zmtp.command");
        return;
    }
    enum command command = READY;
    while (command < OTHER && !is(decode, commands[command].name))
        command++;
    bool initiate = is(decode, "INITIATE");
    bool all = (command == SUBSCRIBE || command == CANCEL) && decode->left == 1 + len;
    if (command == READY || initiate)
        decode->zmtp.ready = true;
    decode_text(decode, 1, len);
    if (command == OTHER)
        decode_element(decode, 1 + len, "zmtp.command", "command %s", decode_quote(decode, 1, len));
    else
        decode_element(decode, 1 + len, "zmtp.command", "%s%s", commands[command].meaning,
            all ? ": the empty prefix, all messages" : "");
    command_data(decode, command, initiate);
}

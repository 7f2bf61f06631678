/*
 * ZMTP, which ZeroMQ speaks: rfc.zeromq.org/spec/23 (3.0) and /37 (3.1), the
 * request envelope from /28. A greeting of 64 bytes each way, then
 * frames: flags, a length of 1 or 8 bytes, a body. Message frames make up
 * messages; the body of a command frame is decode_zmtp_command.c's.
 *
 * A frame whose body is malformed is shown as such and the next frame is read:
 * only flags and lengths that no frame can have lose the thread.
 */
#include <string.h>

#include "decode_machine.h"

enum {
    FLAG_MORE = 1,
    FLAG_LONG = 2,
    FLAG_COMMAND = 4,
    FLAGS_RESERVED = 0xf8,
    MECHANISM = 20,
    FILLER = 31,
};

static void flags(struct decode *decode);

void
decode_zmtp_next(struct decode *decode)
{
    if (!decode->zmtp.more)
        decode->in_message = false;
    decode_expect(decode, 1, flags, "zmtp.flags");
}

/* Message frames: an envelope, ended by an empty frame, before what the application sent. */

static void
request_id(struct decode *decode)
{
    if (decode->left == 4)
        decode_value(decode, decode_number(decode, 0, 4));
    decode_text(decode, 0, decode->left);
    decode_element(decode, decode->left, decode->left == 4 ? "zmtp.request_id" : "zmtp.envelope",
        "%s", decode->left == 4 ? "request id (REQ_CORRELATE)" : "envelope: an address");
    decode_zmtp_next(decode);
}

static void
body(struct decode *decode)
{
    if (decode->zmtp.flags & FLAG_COMMAND) {
        if (decode->left > 0)
            decode_expect(decode, 1, decode_zmtp_command, "zmtp.command");
        else
            decode_zmtp_next(decode);
    } else if (!decode->in_message) {
        if (decode->left > 0)
            decode_expect(decode, 1, decode_zmtp_subscription, "zmtp.subscription");
        else
            decode_zmtp_next(decode);
    } else if (decode->zmtp.curve) {
        decode->part = DECODE_MESSAGE;
        decode_zmtp_rest(decode);
    } else if (decode->zmtp.envelope && decode->zmtp.more) {
        if (decode->left > 0) {
            decode_expect(decode, decode->left, request_id, "zmtp.request_id");
        } else {
            decode->zmtp.envelope = false;
            decode_zmtp_next(decode);
        }
    } else {
        decode_payload(decode, decode_zmtp_next);
    }
}

static void
length(struct decode *decode)
{
    bool longer = decode->zmtp.flags & FLAG_LONG;
    uint64_t len = decode_number(decode, 0, longer ? 8 : 1);
    bool delimiter = len == 0 && decode->zmtp.envelope && decode->zmtp.more;
    decode_value(decode, len);
    decode_element(decode, longer ? 8 : 1, "zmtp.length", "%s%llu bytes follow%s",
        longer ? "long form: " : "", (unsigned long long)len,
        delimiter ? ": the empty delimiter, here the envelope ends" : "");
    if (len >> 63) {
        decode_unknown(decode, "a ZMTP frame of 2^63 bytes or more");
        return;
    }
    decode->left = len;
    body(decode);
}

static void
flags(struct decode *decode)
{
    unsigned char byte = decode->held[0];
    bool command = byte & FLAG_COMMAND;
    if ((byte & FLAGS_RESERVED) || (command && (byte & FLAG_MORE))) {
        decode_unknown(decode, "flags that no ZMTP frame can have");
        return;
    }
    decode->zmtp.flags = byte;
    if (command) {
        /* may stand between a message's frames: that one goes on after it */
        decode->in_message = false;
        decode->part = decode->zmtp.ready ? DECODE_CONTROL : DECODE_HANDSHAKE;
    } else if (decode->zmtp.socket == SOCKET_SUB) {
        decode->part = DECODE_CONTROL;
    } else {
        if (!decode->zmtp.more) {
            decode->message++;
            decode->zmtp.envelope = decode->zmtp.socket == SOCKET_REQREP;
        }
        decode->in_message = true;
        decode->part = DECODE_FRAMING;
        decode->zmtp.more = byte & FLAG_MORE;
    }
    decode_value(decode, byte);
    decode_element(decode, 1, "zmtp.flags", "%s frame%s%s", command ? "command" : "message",
        command                ? ""
            : byte & FLAG_MORE ? ", more frames follow"
                               : ", the last",
        byte & FLAG_LONG ? ", long" : "");
    decode_expect(decode, byte & FLAG_LONG ? 8 : 1, length, "zmtp.length");
}

static void
filler(struct decode *decode)
{
    decode_element(decode, FILLER, "zmtp.filler", "filler, up to 64 bytes");
    decode_zmtp_next(decode);
}

static void
as_server(struct decode *decode)
{
    uint64_t value = decode_number(decode, 0, 1);
    decode_value(decode, value);
    decode_element(decode, 1, "zmtp.as_server", "as-server %llu%s", (unsigned long long)value,
        decode->zmtp.plain || decode->zmtp.curve ? "" : " (NULL knows none)");
    decode_expect(decode, FILLER, filler, "zmtp.filler");
}

static void
mechanism(struct decode *decode)
{
    const char *name = (const char *)decode->held;
    decode->zmtp.plain = strncmp(name, "PLAIN", MECHANISM) == 0;
    decode->zmtp.curve = strncmp(name, "CURVE", MECHANISM) == 0;
    size_t len = strnlen(name, MECHANISM);
    decode_text(decode, 0, len);
    decode_element(decode, MECHANISM, "zmtp.mechanism", "security mechanism %s, padded to 20",
        decode_quote(decode, 0, len));
    decode_expect(decode, 1, as_server, "zmtp.as_server");
}

static void
minor(struct decode *decode)
{
    uint64_t value = decode_number(decode, 0, 1);
    decode_value(decode, value);
    decode_element(decode, 1, "zmtp.minor", "ZMTP 3.%llu", (unsigned long long)value);
    decode_expect(decode, MECHANISM, mechanism, "zmtp.mechanism");
}

static void
major(struct decode *decode)
{
    uint64_t value = decode_number(decode, 0, 1);
    if (value < 3) {
        decode_unknown(decode, "ZMTP before 3.0");
        return;
    }
    decode_value(decode, value);
    decode_element(decode, 1, "zmtp.major", "ZMTP version %llu", (unsigned long long)value);
    decode_expect(decode, 1, minor, "zmtp.minor");
}

void
decode_zmtp(struct decode *decode)
{
    decode->part = DECODE_HANDSHAKE;
    decode_element(decode, 10, "zmtp.signature", "ZMTP signature: ff, padding, 7f");
    decode_expect(decode, 1, major, "zmtp.major");
}

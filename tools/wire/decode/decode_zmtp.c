/*
 * ZMTP, which ZeroMQ speaks: rfc.zeromq.org/spec/15 (2.0), /23 (3.0) and /37
 * (3.1). Here are the greetings and the heads of frames: flags, a length of 1 or
 * 8 bytes, a body. decode_zmtp_message.c has message frames, and
 * decode_zmtp_command.c the bodies of command frames.
 *
 * A peer that speaks 3.1 answers one that speaks 2.0 in 2.0, after it has
 * announced version 3. So the version does not tell what follows, the bytes behind it do: in
 * 2.0 a socket type and the head of a short frame, in 3.x a minor version and
 * the name of a mechanism. A peer that meets ZMTP 1.0 goes on in 1.0 after
 * its signature; neither form fits then, and nothing is claimed.
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
    SIGNATURE = 10,
    MECHANISM = 20,
    FILLER = 31,
    TELLS_2 = SIGNATURE + 3, /* revision, socket type, an identity frame's flags */
    TELLS_3 = SIGNATURE + 2 + MECHANISM, /* version, mechanism */
    SOCKET_TYPE_MAX =
        SOCKET_XSUB - 1, /* as libzmq numbers them; the specification ends with PUSH */
};

static void flags(struct decode *decode);

void
decode_zmtp_next(struct decode *decode)
{
    if (!decode->zmtp.more)
        decode->in_message = false;
    decode_expect(decode, 1, flags, "zmtp.flags");
}

size_t
decode_zmtp_head_len(unsigned char flag_byte)
{
    return flag_byte & FLAG_LONG ? 9 : 2;
}

uint64_t
decode_zmtp_body_len(const struct decode *decode, size_t at)
{
    return decode_number(decode, at + 1, decode->held[at] & FLAG_LONG ? 8 : 1);
}

void
decode_zmtp_head(struct decode *decode, const char *what)
{
    unsigned char byte = decode->held[0];
    bool command = byte & FLAG_COMMAND;
    bool longer = byte & FLAG_LONG;
    uint64_t len = decode_zmtp_body_len(decode, 0);
    decode->zmtp.flags = byte;
    decode_value(decode, byte);
    decode_element(decode, 1, "zmtp.flags", "%s frame%s%s", command ? "command" : "message",
        command                     ? ""
            : byte & FLAG_MORE      ? ", more frames follow"
            : decode_sealed(decode) ? ""
                                    : ", the last",
        longer ? ", long" : "");
    decode_value(decode, len);
    decode_element(decode, longer ? 8 : 1, "zmtp.length", "%s%llu bytes follow%s",
        longer ? "long form: " : "", (unsigned long long)len, what);
    decode->left = len;
}

static void
command(struct decode *decode)
{
    /* may stand between a message's frames: that one goes on after it */
    decode->in_message = false;
    decode->part = decode->zmtp.ready ? DECODE_CONTROL : DECODE_HANDSHAKE;
    decode_zmtp_head(decode, "");
    if (decode->left > 0)
        decode_expect(decode, 1, decode_zmtp_command, "zmtp.command");
    else
        decode_zmtp_next(decode);
}

static void
length(struct decode *decode)
{
    if (decode_zmtp_body_len(decode, 0) >> 63)
        decode_unknown(decode, "a ZMTP frame of 2^63 bytes or more");
    else if (decode->held[0] & FLAG_COMMAND)
        command(decode);
    else
        decode_zmtp_message(decode);
}

static void
flags(struct decode *decode)
{
    unsigned char byte = decode->held[0];
    bool is_command = byte & FLAG_COMMAND;
    if ((byte & FLAGS_RESERVED) || (is_command && ((byte & FLAG_MORE) || decode->zmtp.v2))) {
        decode_unknown(decode, "flags that no ZMTP frame can have");
        return;
    }
    decode_expect(decode, decode_zmtp_head_len(byte), length, "zmtp.length");
}

/* ZMTP 2.0 */

static void
identity(struct decode *decode)
{
    uint64_t len = decode->left;
    decode_text(decode, 0, len);
    decode_element(
        decode, len, "zmtp.identity", "the socket's identity %s", decode_quote(decode, 0, len));
    decode_zmtp_next(decode);
}

static void
identity_head(struct decode *decode)
{
    decode_zmtp_head(decode, decode->held[1] == 0 ? ": the socket has no identity" : "");
    decode->zmtp.ready = true;
    if (decode->left > 0)
        decode_expect(decode, decode->left, identity, "zmtp.identity");
    else
        decode_zmtp_next(decode);
}

static void
greeting_2(struct decode *decode)
{
    decode->zmtp.v2 = true;
    decode_element(decode, SIGNATURE, "zmtp.signature", "ZMTP signature: ff, padding, 7f");
    uint64_t revision = decode_number(decode, 0, 1);
    decode_value(decode, revision);
    if (revision == 1)
        decode_element(decode, 1, "zmtp.revision", "revision 1: ZMTP 2.0");
    else
        decode_element(decode, 1, "zmtp.revision",
            "revision %llu announced, but what follows is ZMTP 2.0", (unsigned long long)revision);
    uint64_t type = decode_number(decode, 0, 1);
    decode->zmtp.socket = (enum decode_socket)(SOCKET_PAIR + type);
    decode_value(decode, type);
    decode_element(decode, 1, "zmtp.socket_type", "socket type %s",
        decode_zmtp_socket_name(decode->zmtp.socket));
    decode_expect(decode, 2, identity_head, "zmtp.length");
}

/* ZMTP 3.x */

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
    bool null = decode->zmtp.mechanism == MECHANISM_NULL;
    decode_value(decode, value);
    decode_element(decode, 1, "zmtp.as_server", "as-server %llu%s", (unsigned long long)value,
        null             ? " (NULL knows no server)"
            : value == 1 ? ": the mechanism's server"
                         : ""); /* libzmq's servers say 0 as well */
    decode_expect(decode, FILLER, filler, "zmtp.filler");
}

/* Capital letters, digits, "-", "_", "." and "+", then zeros; rfc.zeromq.org/spec/23 */
static bool
like_mechanism(const unsigned char *name)
{
    size_t len = strnlen((const char *)name, MECHANISM);
    for (size_t i = 0; i < MECHANISM; i++) {
        bool letter = (name[i] >= 'A' && name[i] <= 'Z') || (name[i] >= '0' && name[i] <= '9') ||
            (name[i] && strchr("-_.+", name[i]));
        if (i < len ? !letter : name[i] != 0)
            return false;
    }
    return len > 0;
}

static void
greeting_3(struct decode *decode)
{
    const unsigned char *name = decode->held + SIGNATURE + 2;
    unsigned major = decode->held[SIGNATURE];
    if (!like_mechanism(name)) {
        decode_unknown(decode, "begins as ZMTP does, but names no security mechanism");
        return;
    }
    decode_element(decode, SIGNATURE, "zmtp.signature", "ZMTP signature: ff, padding, 7f");
    decode_value(decode, major);
    decode_element(decode, 1, "zmtp.major", "ZMTP version %u", major);
    unsigned minor = decode->held[0];
    decode_value(decode, minor);
    decode_element(decode, 1, "zmtp.minor", "ZMTP %u.%u%s", major, minor,
        major > 3 ? ", which this decoder does not know" : "");
    if (major > 3) {
        decode_unknown(decode, "of a ZMTP version that is not known");
        return;
    }
    static const char *const names[] = {"NULL", "PLAIN", "CURVE"};
    const char *text = (const char *)decode->held;
    int mechanism = 0;
    while (mechanism < MECHANISM_OTHER && strncmp(text, names[mechanism], MECHANISM) != 0)
        mechanism++;
    decode->zmtp.mechanism = (enum decode_mechanism)mechanism;
    size_t len = strnlen(text, MECHANISM);
    decode_text(decode, 0, len);
    decode_element(decode, MECHANISM, "zmtp.mechanism", "security mechanism %s, padded to 20",
        decode_quote(decode, 0, len));
    decode_expect(decode, 1, as_server, "zmtp.as_server");
}

static void
greeting(struct decode *decode)
{
    const unsigned char *p = decode->held + SIGNATURE;
    if (p[0] != 0 && p[0] != 2 && p[1] <= SOCKET_TYPE_MAX && p[2] == 0)
        greeting_2(decode);
    else if (p[0] >= 3)
        decode_expect(decode, TELLS_3, greeting_3, "zmtp.mechanism");
    else
        decode_unknown(decode, "begins as ZMTP does, and goes on in no version that is known");
}

void
decode_zmtp(struct decode *decode)
{
    decode->part = DECODE_HANDSHAKE;
    decode_expect(decode, TELLS_2, greeting, "zmtp.signature");
}

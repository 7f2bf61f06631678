/*
 * SP, which nanomsg and NNG speak: sp-tcp-mapping-01, sp-ipc-mapping-01,
 * sp-protocol-ids-01, sp-request-reply-01 (nanomsg's rfc folder). A greeting of
 * 8 bytes each way, then messages: an 8-byte length and the payload; over IPC a
 * byte before it. The specification has that byte 0, both libraries send 1; no
 * length over TCP begins so (it would claim 2^56 bytes), which tells the two
 * mappings apart.
 */
#include "decode_machine.h"

enum {
    PROTOCOL_REQREP = 3,
    PROTOCOL_SURVEY = 6,
    IN_BAND = 1,
};

static const char *
protocol_name(unsigned protocol)
{
    static const struct {
        unsigned protocol;
        const char *name;
    } names[] = {
        {0x10, "PAIR"},
        {0x11, "PAIR version 1"},
        {0x20, "PUB"},
        {0x21, "SUB"},
        {0x30, "REQ"},
        {0x31, "REP"},
        {0x50, "PUSH"},
        {0x51, "PULL"},
        {0x62, "SURVEYOR"},
        {0x63, "RESPONDENT"},
        {0x70, "BUS"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].protocol == protocol)
            return names[i].name;
    return "a protocol without a name here";
}

static void frame(struct decode *decode);

static void
next(struct decode *decode)
{
    decode->in_message = false;
    decode_expect(decode, 1, frame, "sp.length");
}

/* sp-request-reply-01: 32-bit words, the last one with its top bit set. */
static void
request_id(struct decode *decode)
{
    uint64_t id = decode_number(decode, 0, 4);
    decode_value(decode, id);
    if (id >> 31 == 0) {
        decode_element(decode, 4, "sp.channel_id", "a hop's channel 0x%08llx; top bit clear: more",
            (unsigned long long)id);
        if (decode->left >= 4)
            decode_expect(decode, 4, request_id, "sp.request_id");
        else
            decode_payload(decode, next);
        return;
    }
    decode_element(decode, 4, "sp.request_id", "%s id 0x%08llx; top bit set: the last",
        decode->sp.protocol >> 4 == PROTOCOL_SURVEY ? "survey" : "request", (unsigned long long)id);
    decode_payload(decode, next);
}

static void
length(struct decode *decode)
{
    uint64_t len = decode_number(decode, 0, 8);
    unsigned family = decode->sp.protocol >> 4;
    decode_value(decode, len);
    decode_element(decode, 8, "sp.length", "message: %llu bytes follow", (unsigned long long)len);
    decode->left = len;
    if ((family == PROTOCOL_REQREP || family == PROTOCOL_SURVEY) && len >= 4)
        decode_expect(decode, 4, request_id, "sp.request_id");
    else
        decode_payload(decode, next);
}

static void
frame(struct decode *decode)
{
    uint64_t first = decode_number(decode, 0, 1);
    if (!decode->sp.begun) {
        decode->sp.begun = true;
        decode->sp.typed = first == IN_BAND;
    }
    if (decode->sp.typed && first != IN_BAND) {
        decode_unknown(decode, "an IPC message type other than 1");
        return;
    }
    decode->in_message = true;
    decode->message++;
    decode->part = DECODE_FRAMING;
    if (decode->sp.typed) {
        decode_value(decode, first);
        decode_element(decode, 1, "sp.type", "IPC message type: in-band");
    }
    decode_expect(decode, 8, length, "sp.length");
}

void
decode_sp(struct decode *decode)
{
    decode->part = DECODE_HANDSHAKE;
    decode_element(decode, 3, "sp.signature", "SP greeting");
    decode_value(decode, 0);
    decode_element(decode, 1, "sp.version", "SP mapping, version 0");
    decode->sp.protocol = (unsigned)decode_number(decode, 0, 2);
    decode_value(decode, decode->sp.protocol);
    decode_element(decode, 2, "sp.protocol", "I am %s", protocol_name(decode->sp.protocol));
    decode_value(decode, 0);
    decode_element(decode, 2, "sp.reserved", "reserved");
    next(decode);
}

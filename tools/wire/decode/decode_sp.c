/*
 * SP, which nanomsg and NNG speak: sp-tcp-mapping-01, sp-ipc-mapping-01,
 * sp-protocol-ids-01, sp-request-reply-01 (nanomsg's rfc folder). A greeting of
 * 8 bytes each way, then messages: an 8-byte length and the payload; over IPC a
 * byte before it. The specification has that byte 0, both libraries send 1; no
 * length over TCP begins so (it would claim 2^56 bytes), which tells the two
 * mappings apart.
 *
 * Some protocols put words of 4 bytes before the payload. They are looked at as
 * a whole before any of them is handed out: only where the last one is there do
 * the others mean what they should.
 */
#include <string.h>

#include "decode_machine.h"

enum {
    IN_BAND = 1,
    WORD = 4,
    WORDS_MAX = 64, /* of ids; NNG passes on at most 15 hops */
    HOPS_MAX = 255, /* PAIR version 1: the other three bytes are zero */
};

enum header {
    HEADER_NONE,
    HEADER_REQUEST,
    HEADER_SURVEY,
    HEADER_HOPS,
};

static const struct protocol {
    unsigned number;
    const char *name;
    enum header header;
} protocols[] = {TABLE_PROTOCOLS};

static const struct protocol *
find(unsigned number)
{
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
        if (protocols[i].number == number)
            return &protocols[i];
    return NULL;
}

static void frame(struct decode *decode);

static void
next(struct decode *decode)
{
    decode->in_message = false;
    decode_expect(decode, 1, frame, "sp.length");
}

/* A whole message without what its protocol puts first; the next one is read. */
static void
headless(struct decode *decode)
{
    uint64_t len = decode->left;
    decode->part = DECODE_UNKNOWN;
    decode_element(decode, len, "unknown.bytes", "%llu bytes without the id that belongs here",
        (unsigned long long)len);
    next(decode);
}

/* sp-request-reply-01: 32-bit words, the last one with its top bit set. */
static void
ids(struct decode *decode)
{
    size_t at = decode->sp.header;
    if (decode->held[at] < 0x80) {
        at += WORD;
        decode->sp.header = at;
        if (at + WORD > decode->left || at == WORDS_MAX * WORD)
            decode_expect(decode, decode->left, headless, "sp.request_id");
        else
            decode_expect(decode, at + WORD, ids, "sp.request_id");
        return;
    }
    bool survey = find(decode->sp.protocol)->header == HEADER_SURVEY;
    for (; at > 0; at -= WORD) {
        uint64_t id = decode_number(decode, 0, WORD);
        decode_value(decode, id);
        decode_element(decode, WORD, "sp.channel_id",
            "a hop's channel 0x%08llx; top bit clear: more", (unsigned long long)id);
    }
    uint64_t id = decode_number(decode, 0, WORD);
    decode_value(decode, id);
    decode_element(decode, WORD, "sp.request_id", "%s id 0x%08llx; top bit set: the last",
        survey ? "survey" : "request", (unsigned long long)id);
    decode_payload(decode, next);
}

/* NNG's PAIR version 1: how many devices the message has passed. */
static void
hops(struct decode *decode)
{
    uint64_t count = decode_number(decode, 0, WORD);
    if (count > HOPS_MAX) {
        decode_expect(decode, decode->left, headless, "sp.hops");
        return;
    }
    decode_value(decode, count);
    decode_element(decode, WORD, "sp.hops", "hop count %llu", (unsigned long long)count);
    decode_payload(decode, next);
}

static void
length(struct decode *decode)
{
    uint64_t len = decode_number(decode, 0, 8);
    enum header header = find(decode->sp.protocol)->header;
    decode_value(decode, len);
    decode_element(decode, 8, "sp.length", "message: %llu bytes follow", (unsigned long long)len);
    decode->left = len;
    decode->sp.header = 0;
    if (header == HEADER_NONE)
        decode_payload(decode, next);
    else if (len == 0)
        next(decode);
    else if (len < WORD)
        decode_expect(decode, len, headless, "sp.request_id");
    else if (header == HEADER_HOPS)
        decode_expect(decode, WORD, hops, "sp.hops");
    else
        decode_expect(decode, WORD, ids, "sp.request_id");
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
    decode->frames++;
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
    unsigned number = (unsigned)decode_number(decode, 4, 2);
    const struct protocol *protocol = find(number);
    decode->part = DECODE_HANDSHAKE;
    decode->sp.protocol = number;
    decode_element(decode, 3, "sp.signature", "SP greeting");
    decode_value(decode, 0);
    decode_element(decode, 1, "sp.version", "SP mapping, version 0");
    decode_value(decode, number);
    if (protocol)
        decode_element(decode, 2, "sp.protocol", "I am %s", protocol->name);
    else
        decode_element(
            decode, 2, "sp.protocol", "protocol 0x%02x, which this decoder does not know", number);
    decode_value(decode, 0);
    decode_element(decode, 2, "sp.reserved", "reserved");
    if (protocol)
        next(decode);
    else
        decode_unknown(decode, "of an SP protocol that is not known");
}

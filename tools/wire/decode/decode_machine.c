/*
 * The decoder's machine: see decode_machine.h. Knows no protocol; it holds bytes
 * until a step has what it expects, hands out elements, and finds out from the
 * first bytes which protocol it reads.
 */
#include "decode_machine.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOW_DEFAULT = 64,
    /* Held at least: the longest look ahead, a request's envelope (ENVELOPE_MAX). */
    HELD_MIN = 1200,
    MEANING_MAX = 320,
    QUOTE_MAX = 40, /* bytes of a string that a meaning repeats */
};

static void guess(struct decode *decode);

int
decode_open(
    struct decode **ret, const struct decode_options *options, decode_emit_fn *emit, void *arg)
{
    struct decode *decode = calloc(1, sizeof(*decode));
    if (!decode)
        return -1;
    if (options)
        decode->options = *options;
    if (decode->options.show == 0)
        decode->options.show = SHOW_DEFAULT;
    decode->emit = emit;
    decode->arg = arg;
    decode_expect(decode, 1, guess, "unknown.start");
    *ret = decode;
    return 0;
}

void
decode_pair(struct decode *a, struct decode *b)
{
    a->peer = b;
    b->peer = a;
}

uint64_t
decode_frames(const struct decode *decode)
{
    return decode->frames;
}

bool
decode_uncounted(const struct decode *decode)
{
    return decode_sealed(decode) || decode->zmtp.typeless;
}

bool
decode_sealed(const struct decode *decode)
{
    return decode->zmtp.mechanism == MECHANISM_CURVE || decode->zmtp.mechanism == MECHANISM_OTHER;
}

/* Keeps what may be shown or looked at again; memory grows with bytes received only. */
static int
hold(struct decode *decode, const unsigned char *data, size_t len)
{
    size_t most = decode->options.show > HELD_MIN ? decode->options.show : HELD_MIN;
    if (decode->got != decode->held_len || decode->held_len == most)
        return 0;
    if (len > most - decode->held_len)
        len = most - decode->held_len;
    if (decode->held_len + len > decode->held_size) {
        size_t size = decode->held_size ? decode->held_size : HELD_MIN;
        while (size < decode->held_len + len)
            size = size > most / 2 ? most : size * 2;
        unsigned char *held = realloc(decode->held, size);
        if (!held)
            return -1;
        decode->held = held;
        decode->held_size = size;
    }
    memcpy(decode->held + decode->held_len, data, len);
    decode->held_len += len;
    return 0;
}

int
decode_feed(struct decode *decode, const void *data, size_t len)
{
    const unsigned char *p = data;
    while (!decode->failed) {
        while (decode->got >= decode->need)
            decode->step(decode);
        if (len == 0)
            return 0;
        uint64_t missing = decode->need - decode->got;
        size_t take = missing < len ? (size_t)missing : len;
        if (hold(decode, p, take) < 0)
            decode->failed = true;
        decode->got += take;
        p += take;
        len -= take;
    }
    errno = ENOMEM;
    return -1;
}

void
decode_end(struct decode *decode)
{
    if (decode->failed || decode->got == 0)
        return;
    decode->part = DECODE_UNKNOWN;
    decode->left = 0;
    if (!decode->step)
        decode_element(decode, decode->got, "unknown.bytes", "%s", decode->expected);
    else
        decode_element(decode, decode->got, "unknown.incomplete",
            "%s, cut off: %llu bytes of at least %llu", decode->expected,
            (unsigned long long)decode->got, (unsigned long long)decode->need);
}

void
decode_close(struct decode *decode)
{
    if (!decode)
        return;
    free(decode->held);
    free(decode);
}

const char *
decode_part_name(enum decode_part part)
{
    static const char *const names[] = {"handshake", "control", "framing", "message", "unknown"};
    return names[part];
}

void
decode_expect(struct decode *decode, uint64_t need, decode_step *step, const char *expected)
{
    decode->need = need;
    decode->step = step;
    decode->expected = expected;
}

void
decode_value(struct decode *decode, uint64_t value)
{
    decode->has_value = true;
    decode->value = value;
}

void
decode_text(struct decode *decode, size_t at, uint64_t len)
{
    decode->text_at = at;
    decode->text_len = len;
}

void
decode_element(struct decode *decode, uint64_t len, const char *field, const char *format, ...)
{
    char meaning[MEANING_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(meaning, sizeof(meaning), format, args);
    va_end(args);

    /* a part of what is there can be handed out only if all of it is held */
    assert(len > 0 && len <= decode->got);
    assert(len == decode->got || decode->got == decode->held_len);
    size_t there = len < decode->held_len ? (size_t)len : decode->held_len;
    struct decode_element element = {
        .offset = decode->offset,
        .len = len,
        .data = decode->held,
        .data_len = there < decode->options.show ? there : decode->options.show,
        .field = field,
        .meaning = meaning,
        .has_value = decode->has_value,
        .value = decode->value,
        .part = decode->part,
        .message = decode->in_message ? decode->message : 0,
    };
    if (decode->text_len > 0 && decode->text_at < there) {
        size_t most = there - decode->text_at;
        element.text = decode->held + decode->text_at;
        element.text_len = decode->text_len < most ? (size_t)decode->text_len : most;
    }
    decode->emit(decode->arg, &element);

    decode->has_value = false;
    decode->text_len = 0;
    decode->offset += len;
    decode->got -= len;
    decode->held_len -= there;
    if (decode->held_len > 0)
        memmove(decode->held, decode->held + there, decode->held_len);
    if (decode->left > 0)
        decode->left -= len;
}

void
decode_unknown(struct decode *decode, const char *why)
{
    decode->in_message = false;
    decode->left = 0;
    decode_expect(decode, UINT64_MAX, NULL, why);
}

uint64_t
decode_number(const struct decode *decode, size_t at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | decode->held[at + (size_t)i];
    return value;
}

const char *
decode_quote(const struct decode *decode, size_t at, uint64_t len)
{
    static _Thread_local char text[QUOTE_MAX * 4 + 8];
    char *p = text;
    *p++ = '"';
    for (size_t i = 0; i < len && i < QUOTE_MAX && at + i < decode->held_len; i++) {
        unsigned char byte = decode->held[at + i];
        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\')
            *p++ = (char)byte;
        else
            p += sprintf(p, "\\x%02x", byte);
    }
    (void)strcpy(p, len > QUOTE_MAX ? "\"..." : "\"");
    return text;
}

/*
 * Which protocol is it? Called with one byte more each time until that is
 * clear, so that the answer depends on the bytes alone. ZMTP begins with ff and
 * 7f eight bytes later (rfc.zeromq.org/spec/23), SP with 00 "SP" 00
 * (sp-tcp-mapping-01); raw has no greeting.
 */
static void
guess(struct decode *decode)
{
    const unsigned char *p = decode->held;
    size_t got = decode->held_len;
    enum decode_pattern pattern = decode->options.pattern;
    static const unsigned char sp[4] = {0x00, 'S', 'P', 0x00};
    bool zmtp = p[0] == 0xff && (got < 10 || p[9] == 0x7f);
    bool like_sp = memcmp(p, sp, got < 4 ? got : 4) == 0 && (got < 8 || (p[6] == 0 && p[7] == 0));
    bool raw = pattern == DECODE_REQREP || pattern == DECODE_PUBSUB;
    if (pattern == DECODE_OTHER) {
        decode_unknown(decode, "of a framing that is not known");
    } else if (pattern == DECODE_BARE) {
        decode_bare(decode);
    } else if (zmtp) {
        if (got < 10)
            decode_expect(decode, got + 1, guess, "unknown.start");
        else
            decode_zmtp(decode);
    } else if (like_sp) {
        if (got < 8)
            decode_expect(decode, got + 1, guess, "unknown.start");
        else
            decode_sp(decode);
    } else if (raw) {
        bool client = decode->options.from_client;
        decode->raw.role = pattern == DECODE_REQREP ? RAW_REQREP
            : client                                ? RAW_SUBSCRIBER
                                                    : RAW_PUBLISHER;
        decode_expect(decode, 4, decode_raw, "raw.length");
    } else {
        decode_unknown(decode, "begins with no greeting of ZMTP or SP");
    }
}

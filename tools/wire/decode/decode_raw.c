/*
 * raw's framing, as raw/frame.h gives it: `length u32 | request id u32
 * (request/reply only) | message`; a subscriber sends `length | 01 prefix` and
 * `length | 00 prefix`. The length counts all that follows it. There is no
 * greeting: costs nothing, and tells nothing.
 */
#include <string.h>

#include "decode_machine.h"
#include "message.h"

enum {
    LENGTH = 4,
    ID = 4,
    HEAD_SEEN = 9, /* of a message's head, up to the body's length: enough to tell */
    PREFIX_MAX = 65536, /* a guess takes nothing longer for a subscription */
    PLAUSIBLE = 1 << 30, /* "GET " read as a length is more */
};

/* Does a message of `len` bytes whose head stands there, so far as it is there, say so? */
static bool
like_message(const struct decode *decode, size_t at, uint64_t len, bool *more)
{
    const unsigned char *p = decode->held + at;
    size_t got = decode->held_len - at;
    const unsigned char *end =
        memchr(p, 0, got < MESSAGE_TOPIC_MAX + 1 ? got : MESSAGE_TOPIC_MAX + 1);
    if (!end) {
        *more = got <= MESSAGE_TOPIC_MAX && got + MESSAGE_HEADER <= len;
        return false;
    }
    size_t topic_len = (size_t)(end - p);
    if (topic_len + MESSAGE_HEADER > len)
        return false;
    if (got < topic_len + HEAD_SEEN) {
        *more = true;
        return false;
    }
    uint64_t kind = decode_number(decode, at + topic_len + 2, 1);
    return end[1] == 1 && kind >= 1 && kind <= 4 && end[3] == 0 && end[4] == 0 &&
        decode_number(decode, at + topic_len + 5, 4) == len - topic_len - MESSAGE_HEADER;
}

enum decode_raw_role
decode_raw_guess(const struct decode *decode, bool *more)
{
    size_t got = decode->held_len;
    bool from_client = decode->options.from_client;
    if (got < LENGTH) {
        *more = true;
        return RAW_NONE;
    }
    uint64_t length = decode_number(decode, 0, LENGTH);
    if (length >= PLAUSIBLE)
        return RAW_NONE;
    if (decode->options.pattern == DECODE_REQREP)
        return RAW_REQREP;
    if (decode->options.pattern == DECODE_PUBSUB)
        return from_client ? RAW_SUBSCRIBER : RAW_PUBLISHER;

    if (length >= ID + MESSAGE_HEADER) {
        if (got < LENGTH + ID + 1) {
            *more = true;
            return RAW_NONE;
        }
        bool no_topic = decode->held[LENGTH + ID] == 0;
        if (no_topic && like_message(decode, LENGTH + ID, length - ID, more))
            return RAW_REQREP;
        if (*more)
            return RAW_NONE;
    }
    if (got < LENGTH + 1) {
        *more = length > 0;
        return RAW_NONE;
    }
    if (from_client) {
        bool prefix = length > 0 && length <= PREFIX_MAX && decode->held[LENGTH] == 1;
        return prefix ? RAW_SUBSCRIBER : RAW_NONE;
    }
    if (like_message(decode, LENGTH, length, more))
        return RAW_PUBLISHER;
    return RAW_NONE;
}

static void
next(struct decode *decode)
{
    decode->in_message = false;
    decode_expect(decode, LENGTH, decode_raw, "raw.length");
}

static void
request_id(struct decode *decode)
{
    uint64_t id = decode_number(decode, 0, ID);
    decode_value(decode, id);
    decode_element(decode, ID, "raw.request_id", "request id %llu", (unsigned long long)id);
    decode_payload(decode, next);
}

static void
prefix(struct decode *decode)
{
    uint64_t len = decode->left;
    decode_text(decode, 0, len);
    decode_element(decode, len, "raw.prefix", "%s what begins with %s",
        decode->raw.subscribe ? "subscribes to" : "unsubscribes from",
        decode_quote(decode, 0, len));
    next(decode);
}

static void
subscribe(struct decode *decode)
{
    uint64_t what = decode_number(decode, 0, 1);
    if (what > 1) {
        decode_unknown(decode, "neither a subscription (01) nor its end (00)");
        return;
    }
    bool all = decode->left == 1;
    decode->raw.subscribe = what == 1;
    decode_value(decode, what);
    decode_element(decode, 1, "raw.subscribe", "%s%s", what ? "subscribe" : "unsubscribe",
        all ? ": the empty prefix, all messages" : "");
    if (all)
        next(decode);
    else
        decode_expect(decode, decode->left, prefix, "raw.prefix");
}

void
decode_raw(struct decode *decode)
{
    uint64_t length = decode_number(decode, 0, LENGTH);
    enum decode_raw_role role = decode->raw.role;
    uint64_t least = role == RAW_REQREP ? ID : role == RAW_SUBSCRIBER ? 1 : 0;
    if (length < least) {
        decode_unknown(decode, "a length too short for raw's frame");
        return;
    }
    decode->in_message = role != RAW_SUBSCRIBER;
    if (decode->in_message)
        decode->message++;
    decode->part = decode->in_message ? DECODE_FRAMING : DECODE_CONTROL;
    decode_value(decode, length);
    decode_element(
        decode, LENGTH, "raw.length", "frame: %llu bytes follow", (unsigned long long)length);
    decode->left = length;
    if (role == RAW_REQREP)
        decode_expect(decode, ID, request_id, "raw.request_id");
    else if (role == RAW_SUBSCRIBER)
        decode_expect(decode, 1, subscribe, "raw.subscribe");
    else
        decode_payload(decode, next);
}

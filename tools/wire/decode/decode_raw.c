/*
 * raw's framing, as raw/frame.h gives it: `length u32 | request id u32
 * (request/reply only) | message`; a subscriber sends `length | 01 prefix` and
 * `length | 00 prefix`. The length counts all that follows it. There is no
 * greeting: costs nothing, and tells nothing.
 */
#include "decode_machine.h"

enum {
    LENGTH = 4,
    ID = 4,
    PLAUSIBLE = 1 << 30, /* "GET " read as a length is more */
};

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
    if (length < least || length >= PLAUSIBLE) {
        decode_unknown(decode,
            length < least ? "a length too short for raw's frame"
                           : "a length that none of raw's frames has");
        return;
    }
    decode->in_message = role != RAW_SUBSCRIBER;
    if (decode->in_message) {
        decode->message++;
        decode->frames++;
    }
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

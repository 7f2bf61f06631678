/*
 * Our message, as common/message.h gives it: topic, 00, version,
 * kind, zero, body length, sequence, sent, body. It is ours if all of that
 * agrees, the body's length with the frame's too; the head, 280 bytes at most,
 * is looked at before any of it is handed out. Without frames our messages stand
 * one behind the other, and the body's length alone tells where one ends.
 */
#include <string.h>

#include "decode_machine.h"
#include "message.h"

static void
body(struct decode *decode)
{
    uint64_t len = decode->left;
    decode_text(decode, 0, len);
    if (len > 0)
        decode_element(decode, len, "message.body", "body %s", decode_quote(decode, 0, len));
    decode->after(decode);
}

static void
foreign(struct decode *decode)
{
    uint64_t len = decode->left;
    decode_text(decode, 0, len);
    if (decode->foreign_unknown) {
        decode->part = DECODE_UNKNOWN;
        decode_element(decode, len, "zmtp.data", "%llu bytes that may mean anything here: %s",
            (unsigned long long)len, decode_quote(decode, 0, len));
    } else {
        decode_element(decode, len, "message.foreign", "%llu bytes, not Triptych's message: %s",
            (unsigned long long)len, decode_quote(decode, 0, len));
    }
    decode->after(decode);
}

static void
not_ours(struct decode *decode)
{
    if (decode->bare)
        decode_unknown(decode, "no message of Triptych's, and no frame that tells where it ends");
    else
        decode_expect(decode, decode->left, foreign, "message.foreign");
}

static void
head_elements(struct decode *decode, size_t topic_len)
{
    static const char *const kinds[] = {"", TABLE_KINDS};
    if (decode->bare) {
        decode->in_message = true;
        decode->message++;
        decode->frames++;
    }
    if (topic_len > 0) {
        decode_text(decode, 0, topic_len);
        decode_element(
            decode, topic_len, "message.topic", "topic %s", decode_quote(decode, 0, topic_len));
    }
    decode_element(
        decode, 1, "message.end_of_topic", "end of %s topic", topic_len > 0 ? "the" : "the empty");
    decode_value(decode, decode_number(decode, 0, 1));
    decode_element(decode, 1, "message.version", "message format 1");
    uint64_t kind = decode_number(decode, 0, 1);
    decode_value(decode, kind);
    decode_element(decode, 1, "message.kind", "kind: %s", kinds[kind]);
    decode_value(decode, 0);
    decode_element(decode, 2, "message.zero", "zero");
    uint64_t number = decode_number(decode, 0, 4);
    decode_value(decode, number);
    decode_element(
        decode, 4, "message.body_length", "body of %llu bytes", (unsigned long long)number);
    number = decode_number(decode, 0, 8);
    decode_value(decode, number);
    decode_element(decode, 8, "message.sequence", "sequence %llu", (unsigned long long)number);
    number = decode_number(decode, 0, 8);
    decode_value(decode, number);
    decode_element(decode, 8, "message.sent", "sent: the clock at %llu.%09llu s",
        (unsigned long long)(number / 1000000000), (unsigned long long)(number % 1000000000));
}

/* Called with one byte more each time, until the topic's end, then with the whole head. */
static void
head(struct decode *decode)
{
    const unsigned char *p = decode->held;
    size_t got = decode->held_len;
    size_t seen = got < MESSAGE_TOPIC_MAX + 1 ? got : MESSAGE_TOPIC_MAX + 1;
    const unsigned char *end = memchr(p, 0, seen);
    if (!end && got <= MESSAGE_TOPIC_MAX && got + MESSAGE_HEADER <= decode->left) {
        decode_expect(decode, got + 1, head, "message.topic");
        return;
    }
    if (!end || (size_t)(end - p) + MESSAGE_HEADER > decode->left) {
        not_ours(decode);
        return;
    }
    size_t topic_len = (size_t)(end - p);
    if (got < topic_len + MESSAGE_HEADER) {
        decode_expect(decode, topic_len + MESSAGE_HEADER, head, "message.head");
        return;
    }
    size_t at = topic_len + 1;
    if (decode->bare)
        decode->left = topic_len + MESSAGE_HEADER + decode_number(decode, at + 4, 4);
    uint64_t kind = decode_number(decode, at + 1, 1);
    if (decode_number(decode, at, 1) != 1 || kind < 1 || kind > 4 ||
        decode_number(decode, at + 2, 2) != 0 ||
        decode_number(decode, at + 4, 4) != decode->left - topic_len - MESSAGE_HEADER) {
        not_ours(decode);
        return;
    }
    head_elements(decode, topic_len);
    decode_expect(decode, decode->left, body, "message.body");
}

void
decode_payload(struct decode *decode, decode_step *after)
{
    decode->part = DECODE_MESSAGE;
    decode->after = after;
    if (decode->left == 0)
        after(decode);
    else
        decode_expect(decode, 1, head, "message.topic");
}

void
decode_bare(struct decode *decode)
{
    decode->bare = true;
    decode->in_message = false;
    decode->left = UINT64_MAX / 2; /* until the head tells */
    decode_payload(decode, decode_bare);
}

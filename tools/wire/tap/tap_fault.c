/*
 * Faults as settings, the words that change them, and the pace of a slow link.
 * The pace is a token bucket turned into one number: the time up to which the
 * rate has been spent. Sending n bytes moves it n / rate further; what it lies
 * behind the present is what may be sent.
 */
#include "tap_fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum {
    PACE_PARTS = 1000, /* of a second: bytes are let go a millisecond's worth at a time */
};

#define PACE_BURST_NS (5 * CLOCK_MS)
#define DELAY_MAX_MS UINT64_C(3600000) /* an hour */
#define RATE_MAX UINT64_C(1000000000000) /* keeps every product here below 2^64 */
#define BYTES_MAX UINT64_C(1000000000000000)

static const struct word {
    const char *name;
    enum tap_fault_verb verb;
    bool value; /* takes one, and unless it is a matter of "after N bytes" needs one */
    bool after;
} verbs[] = {
    {"delay", TAP_FAULT_DELAY, true, false},
    {"rate", TAP_FAULT_RATE, true, false},
    {"slice", TAP_FAULT_SLICE, true, false},
    {"stall", TAP_FAULT_STALL, true, true},
    {"cut", TAP_FAULT_CUT, true, true},
    {"reset", TAP_FAULT_RESET, true, true},
    {"go", TAP_FAULT_GO, false, false},
    {"clear", TAP_FAULT_CLEAR, false, false},
};

static int
parse_bytes(uint64_t *ret, const char *text, uint64_t max)
{
    uint64_t n = 0;
    if (text[0] == '\0' || strlen(text) > 18)
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        n = n * 10 + (uint64_t)(*text - '0');
    }
    if (n > max)
        return -1;
    *ret = n;
    return 0;
}

/* Milliseconds with at most six decimals, as nanoseconds. */
static int
parse_ms(uint64_t *ret, const char *text)
{
    char whole[24];
    char part[7] = "000000";
    const char *dot = strchr(text, '.');
    size_t len = !dot ? strlen(text) : (size_t)(dot - text);
    uint64_t ms;
    uint64_t ns = 0;
    if (len >= sizeof(whole))
        return -1;
    memcpy(whole, text, len);
    whole[len] = '\0';
    if (dot) {
        size_t decimals = strlen(dot + 1);
        if (decimals == 0 || decimals > 6)
            return -1;
        memcpy(part, dot + 1, decimals);
        if (parse_bytes(&ns, part, 999999) < 0)
            return -1;
    }
    if (parse_bytes(&ms, whole, DELAY_MAX_MS) < 0)
        return -1;
    *ret = ms * 1000000 + ns;
    return 0;
}

static int
parse_value(uint64_t *ret, const struct word *verb, const char *text, const char **why)
{
    if (strcmp(text, "off") == 0) {
        *ret = verb->after ? TAP_FAULT_NEVER : 0;
        return 0;
    }
    switch (verb->verb) {
    case TAP_FAULT_DELAY:
        *why = "needs milliseconds, 0 to 3600000, or \"off\"";
        return parse_ms(ret, text);
    case TAP_FAULT_RATE:
        *why = "needs bytes per second, 1 to 10^12, or \"off\"";
        return parse_bytes(ret, text, RATE_MAX);
    default:
        *why = "needs a number of bytes, at most 10^15, or \"off\"";
        return parse_bytes(ret, text, BYTES_MAX);
    }
}

int
tap_fault_parse(struct tap_fault_order *ret, char *const *words, size_t n, const char **why)
{
    static char text[128];
    const struct word *verb = NULL;
    size_t used = 1;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (n > 0 && strcmp(words[0], verbs[i].name) == 0)
            verb = &verbs[i];
    if (!verb)
        return 0;
    *ret = (struct tap_fault_order){.verb = verb->verb, .way = {true, true}};
    if (used < n && strcmp(words[used], "up") == 0) {
        ret->way[1] = false;
        used++;
    } else if (used < n && strcmp(words[used], "down") == 0) {
        ret->way[0] = false;
        used++;
    }
    if (verb->value && used < n) {
        if (parse_value(&ret->value, verb, words[used], why) < 0) {
            (void)snprintf(text, sizeof(text), "%s %s", verb->name, *why);
            goto fail;
        }
        ret->valued = true;
        used++;
    }
    if (verb->value && !verb->after && !ret->valued) {
        (void)snprintf(text, sizeof(text), "%s needs a value", verb->name);
        goto fail;
    }
    if (used < n) {
        (void)snprintf(text, sizeof(text), "%s: what is \"%.60s\"?", verb->name, words[used]);
        goto fail;
    }
    return 1;
fail:
    *why = text;
    return -1;
}

void
tap_fault_init(struct tap_fault *fault)
{
    *fault = (struct tap_fault){
        .stall = TAP_FAULT_NEVER, .cut = TAP_FAULT_NEVER, .reset = TAP_FAULT_NEVER};
}

bool
tap_fault_none(const struct tap_fault *fault)
{
    return fault->delay_ns == 0 && fault->rate == 0 && fault->slice == 0 &&
        fault->stall == TAP_FAULT_NEVER && fault->cut == TAP_FAULT_NEVER &&
        fault->reset == TAP_FAULT_NEVER;
}

void
tap_fault_apply(struct tap_fault *fault, const struct tap_fault_order *order, uint64_t passed)
{
    uint64_t after = order->value == TAP_FAULT_NEVER ? TAP_FAULT_NEVER : passed + order->value;
    switch (order->verb) {
    case TAP_FAULT_DELAY:
        fault->delay_ns = (int64_t)order->value;
        break;
    case TAP_FAULT_RATE:
        fault->rate = order->value;
        break;
    case TAP_FAULT_SLICE:
        fault->slice = order->value;
        break;
    case TAP_FAULT_STALL:
        fault->stall = after;
        break;
    case TAP_FAULT_CUT:
        fault->cut = after;
        break;
    case TAP_FAULT_RESET:
        fault->reset = after;
        break;
    case TAP_FAULT_GO:
        fault->stall = TAP_FAULT_NEVER;
        break;
    case TAP_FAULT_CLEAR:
        tap_fault_init(fault);
        break;
    }
}

/* The nanoseconds that n bytes take, rounded up. */
static int64_t
tap_pace_time(uint64_t rate, uint64_t n)
{
    return (int64_t)((n * CLOCK_S + rate - 1) / rate);
}

size_t
tap_pace_allow(
    struct tap_pace *pace, uint64_t rate, size_t n, bool pieces, int64_t now_ns, int64_t *wake_ns)
{
    uint64_t least = rate < PACE_PARTS ? 1 : rate / PACE_PARTS;
    if (least > n || !pieces)
        least = n;
    int64_t burst_ns = tap_pace_time(rate, least);
    if (burst_ns < PACE_BURST_NS)
        burst_ns = PACE_BURST_NS;
    if (pace->paid_ns + burst_ns < now_ns)
        pace->paid_ns = now_ns - burst_ns;
    uint64_t allowed =
        pace->paid_ns < now_ns ? (uint64_t)(now_ns - pace->paid_ns) * rate / CLOCK_S : 0;
    if (allowed < least) {
        *wake_ns = pace->paid_ns + tap_pace_time(rate, least);
        return 0;
    }
    return allowed < n ? (size_t)allowed : n;
}

void
tap_pace_spend(struct tap_pace *pace, uint64_t rate, size_t n)
{
    pace->paid_ns += tap_pace_time(rate, n);
}

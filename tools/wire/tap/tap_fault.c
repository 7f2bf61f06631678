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

enum {
    PACE_PARTS = 1000, /* of a second: bytes are let go a millisecond's worth at a time */
};

#define SECOND_NS UINT64_C(1000000000)
#define PACE_BURST_NS UINT64_C(5000000)
#define DELAY_MAX_MS UINT64_C(3600000) /* an hour */
#define RATE_MAX UINT64_C(1000000000000) /* keeps every product here below 2^64 */
#define BYTES_MAX UINT64_C(1000000000000000)

static const struct word {
    const char *name;
    enum fault_verb verb;
    bool value; /* takes one, and unless it is a matter of "after N bytes" needs one */
    bool after;
} verbs[] = {
    {"delay", FAULT_DELAY, true, false},
    {"jitter", FAULT_JITTER, true, false},
    {"rate", FAULT_RATE, true, false},
    {"slice", FAULT_SLICE, true, false},
    {"stall", FAULT_STALL, true, true},
    {"cut", FAULT_CUT, true, true},
    {"reset", FAULT_RESET, true, true},
    {"go", FAULT_GO, false, false},
    {"clear", FAULT_CLEAR, false, false},
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
    size_t len = dot == NULL ? strlen(text) : (size_t)(dot - text);
    uint64_t ms;
    uint64_t ns = 0;

    if (len >= sizeof(whole))
        return -1;
    memcpy(whole, text, len);
    whole[len] = '\0';
    if (dot != NULL) {
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
        *ret = verb->after ? FAULT_NEVER : 0;
        return 0;
    }
    switch (verb->verb) {
    case FAULT_DELAY:
    case FAULT_JITTER:
        *why = "needs milliseconds, 0 to 3600000, or \"off\"";
        return parse_ms(ret, text);
    case FAULT_RATE:
        *why = "needs bytes per second, 1 to 10^12, or \"off\"";
        return parse_bytes(ret, text, RATE_MAX);
    default:
        *why = "needs a number of bytes, at most 10^15, or \"off\"";
        return parse_bytes(ret, text, BYTES_MAX);
    }
}

int
fault_parse(struct fault_order *ret, char *const *words, size_t n, const char **why)
{
    static char text[128];
    const struct word *verb = NULL;
    size_t used = 1;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (n > 0 && strcmp(words[0], verbs[i].name) == 0)
            verb = &verbs[i];
    if (verb == NULL)
        return 0;
    *ret = (struct fault_order){.verb = verb->verb, .way = {true, true}};
    if (used < n && strcmp(words[used], "up") == 0) {
        ret->way[1] = false;
        used++;
    } else if (used < n && strcmp(words[used], "down") == 0) {
        ret->way[0] = false;
        used++;
    } else if (used < n && strcmp(words[used], "both") == 0) {
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
fault_init(struct fault *fault)
{
    *fault = (struct fault){.stall = FAULT_NEVER, .cut = FAULT_NEVER, .reset = FAULT_NEVER};
}

bool
fault_none(const struct fault *fault)
{
    return fault->delay_ns == 0 && fault->jitter_ns == 0 && fault->rate == 0 && fault->slice == 0 &&
        fault->stall == FAULT_NEVER && fault->cut == FAULT_NEVER && fault->reset == FAULT_NEVER;
}

void
fault_apply(struct fault *fault, const struct fault_order *order, uint64_t passed)
{
    uint64_t after = order->value == FAULT_NEVER ? FAULT_NEVER : passed + order->value;

    switch (order->verb) {
    case FAULT_DELAY:
        fault->delay_ns = order->value;
        break;
    case FAULT_JITTER:
        fault->jitter_ns = order->value;
        break;
    case FAULT_RATE:
        fault->rate = order->value;
        break;
    case FAULT_SLICE:
        fault->slice = order->value;
        break;
    case FAULT_STALL:
        fault->stall = after;
        break;
    case FAULT_CUT:
        fault->cut = after;
        break;
    case FAULT_RESET:
        fault->reset = after;
        break;
    case FAULT_GO:
        fault->stall = FAULT_NEVER;
        break;
    case FAULT_CLEAR:
        fault_init(fault);
        break;
    }
}

/* The time that n bytes take, rounded up. */
static uint64_t
pace_time(uint64_t rate, uint64_t n)
{
    return (n * SECOND_NS + rate - 1) / rate;
}

size_t
pace_allow(
    struct pace *pace, uint64_t rate, size_t n, bool pieces, uint64_t now_ns, uint64_t *wake_ns)
{
    uint64_t least = rate < PACE_PARTS ? 1 : rate / PACE_PARTS;
    uint64_t burst_ns;
    uint64_t allowed;

    if (least > n || !pieces)
        least = n;
    burst_ns = pace_time(rate, least);
    if (burst_ns < PACE_BURST_NS)
        burst_ns = PACE_BURST_NS;
    if (pace->paid_ns + burst_ns < now_ns)
        pace->paid_ns = now_ns - burst_ns;
    allowed = pace->paid_ns < now_ns ? (now_ns - pace->paid_ns) * rate / SECOND_NS : 0;
    if (allowed < least) {
        *wake_ns = pace->paid_ns + pace_time(rate, least);
        return 0;
    }
    return allowed < n ? (size_t)allowed : n;
}

void
pace_spend(struct pace *pace, uint64_t rate, size_t n)
{
    pace->paid_ns += pace_time(rate, n);
}

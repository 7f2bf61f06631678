/*
 * A histogram of latencies whose buckets widen with the value, as in Gil Tene's
 * HdrHistogram. The first 128 buckets are a nanosecond wide; from there on each
 * power of two has 128 buckets of equal width. Minimum, maximum and mean are
 * exact. Recording takes a few instructions and never allocates.
 */
#include "latency.h"

static unsigned
bucket_of(uint64_t ns)
{
    if (ns < LATENCY_STEPS)
        return (unsigned)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - LATENCY_STEPS_LOG2;
    return shift * LATENCY_STEPS + (unsigned)(ns >> shift);
}

/* The value in the middle of a bucket: the inverse of bucket_of. */
static uint64_t
middle_of(unsigned bucket)
{
    if (bucket < 2 * LATENCY_STEPS)
        return bucket;
    unsigned shift = bucket / LATENCY_STEPS - 1;
    uint64_t low = (uint64_t)(bucket - shift * LATENCY_STEPS) << shift;
    return low + ((uint64_t)1 << shift) / 2;
}

void
latency_add(struct latency *latency, int64_t ns)
{
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;
    if (latency->count == 0 || value < latency->min)
        latency->min = value;
    if (value > latency->max)
        latency->max = value;
    latency->count++;
    latency->sum += value;
    latency->buckets[bucket_of(value)]++;
}

uint64_t
latency_quantile(
    const struct latency *latency, uint64_t numerator, uint64_t denominator)
{
    if (latency->count == 0)
        return 0;
    /* The rank, rounded up. Dividing first keeps it from overflowing. */
    uint64_t rank = latency->count / denominator * numerator +
        (latency->count % denominator * numerator + denominator - 1) /
            denominator;
    if (rank == 0)
        return latency->min;
    uint64_t seen = 0;
    unsigned bucket = 0;
    for (; bucket < LATENCY_BUCKETS - 1; bucket++) {
        seen += latency->buckets[bucket];
        if (seen >= rank)
            break;
    }
    uint64_t value = middle_of(bucket);
    if (value < latency->min)
        return latency->min;
    return value > latency->max ? latency->max : value;
}

uint64_t
latency_mean(const struct latency *latency)
{
    if (latency->count == 0)
        return 0;
    return (latency->sum + latency->count / 2) / latency->count;
}

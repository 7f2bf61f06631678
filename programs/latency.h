/* A recorder of latencies: fixed memory, percentiles within 1 %. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

enum {
    LATENCY_STEPS_LOG2 = 7, /* 128 steps in each power of two: 0.8 % */
    LATENCY_STEPS = 1 << LATENCY_STEPS_LOG2,
    LATENCY_BUCKETS = (64 - LATENCY_STEPS_LOG2 + 1) * LATENCY_STEPS,
};

/* All zero is an empty one. Times are nanoseconds. */
struct latency {
    uint64_t count;
    uint64_t sum;
    uint64_t min;
    uint64_t max;
    uint64_t buckets[LATENCY_BUCKETS];
};

/* Adds a time; a negative one, which only a wrong clock gives, counts as 0. */
void latency_add(struct latency *latency, int64_t ns);

/*
 * The smallest recorded time that numerator/denominator of all times do not
 * exceed, within 1 %, and never outside min..max. 0 if nothing was recorded.
 */
uint64_t latency_quantile(
    const struct latency *latency, uint64_t numerator, uint64_t denominator);

/* Rounded to the nanosecond; 0 if nothing was recorded. */
uint64_t latency_mean(const struct latency *latency);

#endif

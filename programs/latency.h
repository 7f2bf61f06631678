/* A recorder of latencies: fixed memory, percentiles within 1 %. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

enum {
    LATENCY_STEPS_LOG2 = 7, /* each power of two is cut in 128 steps: 0.8 % */
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

/* Adds a time; one below zero, which only a wrong clock gives, as zero. */
void latency_add(struct latency *latency, int64_t ns);

/*
 * The smallest time that at least numerator/denominator of all do not exceed,
 * within 1 %, and never outside min..max; 0 if there is none.
 */
uint64_t latency_quantile(
    const struct latency *latency, uint64_t numerator, uint64_t denominator);

/* Rounded to the nanosecond; 0 if there is none. */
uint64_t latency_mean(const struct latency *latency);

#endif

/* The median of times: what one interruption does not change. */
#ifndef MEDIAN_H
#define MEDIAN_H

#include <stdint.h>
#include <stdlib.h>

static inline int
median_compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a;
    int64_t other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* Sorts the values, n of them, an odd number. */
static inline int64_t
median_of(int64_t *values, size_t n)
{
    qsort(values, n, sizeof(*values), median_compare);
    return values[n / 2];
}

#endif

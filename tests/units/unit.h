/* What every unit begins with: cmocka, and numbers that are random but the same each time. */
#ifndef UNIT_H
#define UNIT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* -1, with that errno. */
#define assert_fails(call, errnum)                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal((call), -1);                                                              \
        assert_int_equal(errno, (errnum));                                                         \
    } while (0)

/* The next of a series of numbers below limit (xorshift64*, Vigna 2016). */
static inline uint64_t
random_below(uint64_t *state, uint64_t limit)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (x * UINT64_C(0x2545F4914F6CDD1D)) % limit;
}

/* A copy of exactly that size: reading past its end is seen by the sanitizer. */
static inline void *
exact_copy(const void *data, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

#endif

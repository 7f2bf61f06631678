/*
 * Big-endian integers in a buffer, as all our formats have them. An integer is
 * copied whole, because nothing there is aligned: with the byte order turned,
 * that is two instructions. (A loop over its bytes stays a loop, and took as
 * long as all the rest of a message's head: measured.)
 *
 * Each put_ writes at p and returns the place behind what it wrote.
 */
#ifndef BYTES_H
#define BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline unsigned char *
put_u16(unsigned char *p, uint16_t value)
{
    value = htobe16(value);
    memcpy(p, &value, sizeof(value));
    return p + sizeof(value);
}

static inline unsigned char *
put_u32(unsigned char *p, uint32_t value)
{
    value = htobe32(value);
    memcpy(p, &value, sizeof(value));
    return p + sizeof(value);
}

static inline unsigned char *
put_u64(unsigned char *p, uint64_t value)
{
    value = htobe64(value);
    memcpy(p, &value, sizeof(value));
    return p + sizeof(value);
}

static inline uint32_t
get_u32(const unsigned char *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof(value));
    return be32toh(value);
}

static inline uint64_t
get_u64(const unsigned char *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof(value));
    return be64toh(value);
}

#endif

/* Byte order: every Windows of today is little-endian, and has no endian.h. */
#ifndef ENDIAN_H
#define ENDIAN_H

#define htobe16(value) __builtin_bswap16(value)
#define htobe32(value) __builtin_bswap32(value)
#define htobe64(value) __builtin_bswap64(value)
#define be32toh(value) __builtin_bswap32(value)
#define be64toh(value) __builtin_bswap64(value)

#endif

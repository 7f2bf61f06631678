/* JSON strings of bytes that somebody else chose. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <stdio.h>

/*
 * Writes a JSON string, quotes included. Control characters, those of C1 too
 * (U+0080..U+009F), are escaped, so that no terminal obeys them. Each byte that
 * is not UTF-8 becomes U+FFFD; so do those of a character that the end cuts
 * off. Errors are the file's: ferror(3).
 */
void json_string(FILE *file, const void *text, size_t len);

/* Writes a JSON string that keeps each byte, as U+0000 to U+00FF. */
void json_bytes(FILE *file, const void *data, size_t len);

/*
 * Returns the bytes of the UTF-8 character at the beginning of text, of which
 * len bytes are there; 0: there is none, or not all of it.
 */
size_t json_character(const void *text, size_t len);

#endif

/* JSON strings of bytes that somebody else chose. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Writes a JSON string, quotes included. Control characters (see below) are
 * escaped, so that no terminal obeys them. Each byte that is not UTF-8 becomes
 * U+FFFD; so do those of a character that the end cuts off. Errors are the
 * file's: ferror(3).
 */
void json_string(FILE *file, const void *text, size_t len);

/* Writes a JSON string that keeps each byte, as U+0000 to U+00FF. */
void json_bytes(FILE *file, const void *data, size_t len);

/*
 * Returns the bytes of the UTF-8 character at the beginning of text, of which
 * len bytes are there; 0: there is none, or not all of it.
 */
size_t json_character(const void *text, size_t len);

/*
 * Whether a terminal obeys this UTF-8 character, rather than to show it: the
 * control characters of C0 and C1, DEL, and those that end a line or change the
 * direction of the text (Unicode 15, 5.8 and 23.2). len comes from
 * json_character().
 */
bool json_is_control(const void *text, size_t len);

#endif

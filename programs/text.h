/* Bytes that a peer chose, made safe to print. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdio.h>

/*
 * Writes a JSON string, quotes included: invalid UTF-8 as U+FFFD; a sequence
 * that the end cuts off counts as invalid.
 */
void text_json(FILE *file, const char *text, size_t len);

/*
 * Writes at most max bytes for people: what a terminal would obey, and invalid
 * UTF-8, as a dot.
 */
void text_show(FILE *file, const char *text, size_t len, size_t max);

#endif

/* Bytes that a peer chose, for people at a terminal. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdio.h>

/*
 * Writes at most max bytes of text. Writes a dot for each control character,
 * because a terminal would obey it, and for each byte that is not UTF-8.
 */
void text_show(FILE *file, const char *text, size_t len, size_t max);

#endif

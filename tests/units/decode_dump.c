/*
 * The decoder fed in pieces: each piece is copied to memory of its own, so that
 * reading past its end is caught by a sanitizer.
 */
#include "decode_dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
mix(struct dump *dump, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        dump->hash = (dump->hash ^ p[i]) * 0x100000001b3; /* FNV-1a */
}

static void
element(void *arg, const struct decode_element *element)
{
    struct dump *dump = arg;
    size_t most = element->len < dump->show ? (size_t)element->len : dump->show;
    if (element->offset != dump->bytes || element->len == 0)
        dump->wrong = "the elements do not follow one another";
    if (element->data_len != most)
        dump->wrong = "not as many bytes as were to be shown";
    if (!strchr(element->field, '.') || element->meaning[0] == '\0')
        dump->wrong = "no field or no meaning";
    for (const char *p = element->meaning; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            dump->wrong = "a meaning is one line of ASCII";
    if (element->text && element->text_len > element->len)
        dump->wrong = "more text than bytes";
    dump->bytes += element->len;
    dump->elements++;
    if (strncmp(element->field, "unknown.", 8) == 0)
        dump->unknown += element->len;
    mix(dump, &element->offset, sizeof(element->offset));
    mix(dump, &element->len, sizeof(element->len));
    mix(dump, element->data, element->data_len);
    mix(dump, element->field, strlen(element->field));
    mix(dump, element->meaning, strlen(element->meaning));
    mix(dump, &element->value, element->has_value ? sizeof(element->value) : 0);
    mix(dump, element->text, element->text ? element->text_len : 0);
    mix(dump, &element->message, sizeof(element->message));
    mix(dump, &element->part, sizeof(element->part));
    if (dump->text) {
        size_t used = strlen(dump->text);
        (void)snprintf(dump->text + used, dump->text_size - used, "%s %llu\n", element->field,
            (unsigned long long)element->len);
    }
}

static size_t
piece(uint32_t *seed, size_t left)
{
    if (*seed == 0)
        return left;
    if (*seed == 1)
        return 1;
    *seed = *seed * 1664525 + 1013904223; /* may become 0 or 1: still pieces */
    size_t size = 1 + (*seed >> 24) % 40;
    return size < left ? size : left;
}

void
dump_feed(struct dump *dump, const struct decode_options *options, const void *data, size_t len,
    uint32_t seed)
{
    struct decode *decode;
    const unsigned char *p = data;
    dump->show = options && options->show ? options->show : 64;
    if (decode_open(&decode, options, element, dump) < 0)
        abort();
    for (size_t done = 0; done < len;) {
        size_t size = piece(&seed, len - done);
        unsigned char *copy = malloc(size);
        if (!copy)
            abort();
        memcpy(copy, p + done, size);
        if (decode_feed(decode, copy, size) < 0)
            abort();
        free(copy);
        done += size;
    }
    decode_end(decode);
    if (dump->bytes != len)
        dump->wrong = "not every byte is in an element";
    decode_close(decode);
}

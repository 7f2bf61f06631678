/*
 * A libFuzzer target: whatever the bytes and however they are split, the decoder
 * says the same, covers every byte once, and stays within its memory.
 *
 * The input: a byte of options, a byte that seeds the split, the stream.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t shows[] = {0, 1, 5, 700};
    if (size < 2)
        return 0;
    struct decode_options options = {
        .pattern = (enum decode_pattern)(data[0] % 3),
        .from_client = data[0] & 4,
        .show = shows[data[0] >> 3 & 3],
    };
    struct dump whole = {0};
    struct dump split = {0};
    dump_feed(&whole, &options, data + 2, size - 2, 0);
    dump_feed(&split, &options, data + 2, size - 2, 1 + data[1]);
    if (whole.wrong || split.wrong || whole.hash != split.hash) {
        fprintf(stderr, "%s\n", whole.wrong ? whole.wrong : split.wrong ? split.wrong : "split");
        abort();
    }
    return 0;
}

/*
 * A libFuzzer target: whatever the bytes and however they are split, the decoder
 * says the same, covers every byte once, and stays within its memory. A probe
 * that gets the bytes as a conversation finds the same, however they are split.
 *
 * The input: a byte of options, a byte that seeds the split, the stream.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode_dump.h"
#include "probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first half goes up, the second comes down, `step` bytes at a time. */
static enum decode_pattern
probed(const uint8_t *data, size_t size, size_t step)
{
    struct probe *probe;
    if (probe_open(&probe) < 0)
        abort();
    for (size_t at = 0; at < size; at += step) {
        bool up = at < size / 2;
        size_t end = up ? size / 2 : size;
        size_t len = end - at < step ? end - at : step;
        if (probe_feed(probe, up, data + at, len) < 0)
            abort();
        at -= step - len; /* a short piece ends a half */
    }
    enum decode_pattern pattern = probe_end(probe);
    probe_close(probe);
    return pattern;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t shows[] = {0, 1, 5, 700};
    if (size < 2)
        return 0;
    struct decode_options options = {
        .pattern = data[0] >> 5 == 7 ? DECODE_BARE : (enum decode_pattern)(data[0] % 3),
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
    if (probed(data + 2, size - 2, size) != probed(data + 2, size - 2, 1 + data[1] % 7))
        abort();
    return 0;
}

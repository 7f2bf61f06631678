/*
 * See probe.h. It has no reader of its own: it runs the decoder with each
 * declaration, and looks at the elements for what does not fit.
 */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

enum {
    TRIED = 2,
    ID = 4,
    PREFIX_MAX = 65536, /* nobody subscribes to longer ones */
    MESSAGE_MOST = 1 << 26, /* text read as a length is far more */
};

struct
try {
    struct decode *decode;
    bool reqrep;
    bool up;
    bool wrong;
    uint64_t messages; /* Triptych's */
};

struct probe {
    struct try tries[TRIED][2]; /* the declarations; up, down */
};

static bool
kind_fits(const struct try *try, uint64_t kind)
{
    if (!try->reqrep)
        return kind == MESSAGE_EVENT;
    return try->up ? kind == MESSAGE_REQUEST : kind == MESSAGE_REPLY || kind == MESSAGE_ERROR;
}

static void
element(void *arg, const struct decode_element *element)
{
    struct try *try = arg;
    const char *field = element->field;
    uint64_t least = MESSAGE_HEADER + (try->reqrep ? ID : 0);
    /* where the recording ends within a frame; but a message whose head is not whole fits nothing
     */
    bool cut_off = strcmp(field, "unknown.incomplete") == 0 &&
        (strncmp(element->meaning, "raw.", 4) == 0 ||
            strncmp(element->meaning, "message.body", 12) == 0);
    if (strcmp(field, "message.kind") == 0) {
        try->messages++;
        try->wrong |= !kind_fits(try, element->value);
    } else if (strcmp(field, "raw.length") == 0) {
        uint64_t most = element->message ? MESSAGE_MOST : PREFIX_MAX + 1;
        try->wrong |= element->value > most || (element->message && element->value < least);
    } else if (strncmp(field, "message.", 8) == 0) {
        try->wrong |= strcmp(field, "message.foreign") == 0;
    } else if (strncmp(field, "raw.", 4) != 0 && !cut_off) {
        try->wrong = true; /* unknown, or a greeting of another protocol */
    }
}

int
probe_open(struct probe **ret)
{
    struct probe *probe = calloc(1, sizeof(*probe));
    if (!probe)
        return -1;
    for (int i = 0; i < 2 * TRIED; i++) {
        struct try *try = &probe->tries[i / 2][i % 2];
        try->reqrep = i / 2 == 0;
        try->up = i % 2 == 0;
        struct decode_options options = {
            .pattern = try->reqrep ? DECODE_REQREP : DECODE_PUBSUB,
            .from_client = try->up,
            .show = 1,
        };
        if (decode_open(&try->decode, &options, element, try) < 0) {
            probe_close(probe);
            return -1;
        }
    }
    *ret = probe;
    return 0;
}

int
probe_feed(struct probe *probe, bool from_client, const void *data, size_t len)
{
    for (int i = 0; i < TRIED; i++) {
        struct try *try = &probe->tries[i][from_client ? 0 : 1];
        if (!try->wrong && decode_feed(try->decode, data, len) < 0)
            return -1;
    }
    return 0;
}

enum decode_pattern
probe_end(struct probe *probe)
{
    static const enum decode_pattern patterns[TRIED] = {DECODE_REQREP, DECODE_PUBSUB};
    for (int i = 0; i < TRIED; i++) {
        struct try *up = &probe->tries[i][0];
        struct try *down = &probe->tries[i][1];
        decode_end(up->decode);
        decode_end(down->decode);
        if (!up->wrong && !down->wrong && up->messages + down->messages > 0)
            return patterns[i];
    }
    return DECODE_ANY;
}

void
probe_close(struct probe *probe)
{
    if (!probe)
        return;
    for (int i = 0; i < 2 * TRIED; i++)
        decode_close(probe->tries[i / 2][i % 2].decode);
    free(probe);
}

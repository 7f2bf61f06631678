/*
 * CURVE's commands, rfc.zeromq.org/spec/25 and /26: a few numbers in clear, then
 * boxes that nobody else can open. A MESSAGE is a frame of a message or a
 * command such as SUBSCRIBE, and its box hides which. A box is 16 bytes longer than what is in it;
 * with name, nonce and flags a MESSAGE adds 33 bytes.
 */
#include <string.h>

#include "decode_machine.h"

enum {
    ITEMS = 5,
    REST = 0 /* in the place of a length: all that is left */
};

struct item {
    const char *field;
    unsigned len;
    const char *meaning;
};

static const struct layout {
    const char *name;
    unsigned least; /* bytes after the name */
    unsigned most; /* 0: no limit */
    struct item items[ITEMS];
} layouts[] = {TABLE_CURVE};

static void item(struct decode *decode);

static void
expect_item(struct decode *decode, int at)
{
    const struct layout *layout = &layouts[decode->zmtp.layout / ITEMS];
    decode->zmtp.layout = decode->zmtp.layout / ITEMS * ITEMS + at;
    if (decode->left == 0) {
        decode_zmtp_next(decode);
        return;
    }
    uint64_t len = layout->items[at].len;
    decode_expect(decode, len == REST ? decode->left : len, item, layout->items[at].field);
}

static void
item(struct decode *decode)
{
    int at = decode->zmtp.layout % ITEMS;
    const struct item *this = &layouts[decode->zmtp.layout / ITEMS].items[at];
    uint64_t len = this->len == REST ? decode->left : this->len;
    bool data = strcmp(this->field, "zmtp.curve.data") == 0;
    if (data)
        decode->part = DECODE_UNKNOWN; /* a subscription as well as a message */
    if (data || this->len == REST)
        decode_element(
            decode, len, this->field, "%llu bytes: %s", (unsigned long long)len, this->meaning);
    else if (at == 0 && len == 2)
        decode_element(
            decode, len, this->field, "%s %u.%u", this->meaning, decode->held[0], decode->held[1]);
    else
        decode_element(decode, len, this->field, "%s", this->meaning);
    expect_item(decode, at + 1);
}

/* The length and the name are there, not yet handed out. */
bool
decode_zmtp_curve(struct decode *decode, size_t name_len)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        const struct layout *layout = &layouts[i];
        uint64_t len = decode->left - 1 - name_len;
        if (name_len != strlen(layout->name) ||
            memcmp(decode->held + 1, layout->name, name_len) != 0 || len < layout->least ||
            (layout->most > 0 && len > layout->most))
            continue;
        if (strcmp(layout->name, "READY") == 0 || strcmp(layout->name, "INITIATE") == 0)
            decode->zmtp.ready = true;
        decode->zmtp.layout = (int)i * ITEMS;
        decode_text(decode, 1, name_len);
        decode_element(decode, 1 + name_len, "zmtp.command", "command %s", layout->name);
        expect_item(decode, 0);
        return true;
    }
    return false;
}

/*
 * What the parts of the decoder share; its users see decode.h alone.
 *
 * The machine: a step is called once the bytes that it expects are there, hands
 * out elements from their front, and says what it expects next. Bytes handed
 * out are gone; the others stay. So no step ever sees how the stream was split.
 */
#ifndef DECODE_MACHINE_H
#define DECODE_MACHINE_H

#include "decode.h"
#include "decode_tables.inc"

typedef void decode_step(struct decode *decode);

/* ZeroMQ's socket types. PAIR to XSUB: as ZMTP 2.0 numbers them, plus one. */
enum decode_socket {
    SOCKET_UNKNOWN,
    TABLE_SOCKETS,
    SOCKETS
};

enum decode_mechanism {
    MECHANISM_NULL, /* ZMTP 2.0 has no other */
    MECHANISM_PLAIN,
    MECHANISM_CURVE,
    MECHANISM_OTHER, /* GSSAPI, or one that we do not know: its frames are opaque */
};

enum decode_raw_role {
    RAW_REQREP,
    RAW_PUBLISHER,
    RAW_SUBSCRIBER
};

struct decode {
    struct decode_options options;
    decode_emit_fn *emit;
    void *arg;

    decode_step *step;
    const char *expected; /* the name of what is expected, should it be cut off */
    uint64_t need; /* call step once so many bytes are there */
    uint64_t got; /* bytes not yet handed out */
    unsigned char *held; /* the first held_len of them */
    size_t held_len;
    size_t held_size;
    bool failed; /* out of memory */

    uint64_t offset; /* of the first byte not yet handed out */
    uint64_t left; /* bytes of the current frame's body not yet handed out */
    uint64_t message; /* messages begun */
    bool in_message;
    enum decode_part part; /* of the elements to come */
    decode_step *after; /* what follows the payload */

    /* attached to the next element */
    bool has_value;
    uint64_t value;
    size_t text_at; /* where in it a string begins, and its length */
    uint64_t text_len;

    const struct decode *peer; /* the other direction; NULL: not known */
    uint64_t frames; /* that carry messages */
    bool bare; /* there are none: a message's own head tells how long it is */
    bool foreign_unknown; /* a payload that is not ours may as well be something else */

    struct {
        enum decode_socket socket; /* this side's, once it has said so */
        enum decode_mechanism mechanism;
        bool v2; /* ZMTP 2.0: no commands */
        unsigned char flags; /* of the current frame */
        bool typeless; /* there were message frames of a socket whose type is not known */
        bool ready; /* this side's READY, or its like, is complete */
        bool more; /* the current frame continues a message */
        bool envelope; /* before the empty delimiter */
        bool group; /* the current frame is a RADIO's group */
        bool is_socket_type; /* of the property being read */
        int layout; /* place in CURVE's layouts */
    } zmtp;
    struct {
        unsigned protocol;
        bool begun; /* the first frame told whether frames carry a type */
        bool typed; /* they do: the IPC mapping */
        size_t header; /* bytes of ids before the payload */
    } sp;
    struct {
        enum decode_raw_role role;
        bool subscribe;
    } raw;
};

/* The machine */

/* Calls step as soon as `need` bytes, those already there included, are there. */
void decode_expect(struct decode *decode, uint64_t need, decode_step *step, const char *expected);

/* Attach to the next element: a number; a string, its last len bytes, from `at` on. */
void decode_value(struct decode *decode, uint64_t value);
void decode_text(struct decode *decode, size_t at, uint64_t len);

/* Hands out the first len bytes as one element, with the meaning printf would make. */
void decode_element(struct decode *decode, uint64_t len, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* All that follows in this direction is not understood, and why. */
void decode_unknown(struct decode *decode, const char *why);

/* The big-endian number in `bytes` held bytes from `at` on. */
uint64_t decode_number(const struct decode *decode, size_t at, int bytes);

/* The first bytes of a string, quoted, for a meaning; valid until its next call. */
const char *decode_quote(const struct decode *decode, size_t at, uint64_t len);

/* The others: the first step of each. The bytes that made it the choice are held. */

void decode_zmtp(struct decode *decode); /* the signature's 10 bytes are there */
void decode_sp(struct decode *decode); /* the header's 8 bytes are there */
void decode_raw(struct decode *decode); /* expects a length's 4 bytes */

/* Are ZMTP's messages encrypted, or may they be? */
bool decode_sealed(const struct decode *decode);

/* Within ZMTP: a message frame, at its flags; after a frame's body; a command's body. */
void decode_zmtp_message(struct decode *decode);
void decode_zmtp_next(struct decode *decode);
void decode_zmtp_rest(struct decode *decode); /* what is left of it, as bytes */
void decode_zmtp_head(struct decode *decode, const char *what); /* hands out flags and length */
void decode_zmtp_command(struct decode *decode); /* expects 1 byte */
void decode_zmtp_prefix(struct decode *decode); /* expects all that is left: a prefix */
bool decode_zmtp_curve(struct decode *decode, size_t name_len); /* is it one of CURVE's layouts? */
const char *decode_zmtp_socket_name(enum decode_socket socket);

/* The bytes of a ZMTP frame's flags and length; its body's length, all of them held at `at`. */
size_t decode_zmtp_head_len(unsigned char flags);
uint64_t decode_zmtp_body_len(const struct decode *decode, size_t at);

/* Reads `left` bytes as our message, or as bytes of someone else; then calls after. */
void decode_payload(struct decode *decode, decode_step *after);

/* Reads our messages without frames, until something else comes. */
void decode_bare(struct decode *decode);

#endif

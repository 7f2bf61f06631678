/*
 * The decoder, from C: streams made by hand after the specifications, the corpus
 * of recorded ones in every split, and what no recording shows: its memory, and
 * its behaviour at the edges. Argument: the folder tests/data/corpus/decode.
 */
#include <dirent.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode_dump.h"

enum {
    CORPUS_MAX = 1 << 16, /* bytes of a corpus file; none is longer */
    MEBI = 1 << 20,
};

static const char *corpus;

#define SP_REQ "\0SP\0\0\x30\0\0"
#define SP_PUB "\0SP\0\0\x20\0\0"
#define EVENT "news\0\1\3\0\0\0\0\0\2\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\x9hi" /* 31 bytes */
#define ZMTP                                                                                       \
    "\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL" ZEROS16 "\0" ZEROS16 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZEROS16 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define READY_PUB "\4\x19\5READY\x0bSocket-Type\0\0\0\3PUB"
#define READY_REQ "\4\x19\5READY\x0bSocket-Type\0\0\0\3REQ"

#define GREETING                                                                                   \
    "zmtp.signature 10\nzmtp.major 1\nzmtp.minor 1\nzmtp.mechanism 20\nzmtp.as_server 1\n"         \
    "zmtp.filler 31\nzmtp.flags 1\nzmtp.length 1\nzmtp.command 6\nzmtp.property.name 12\n"         \
    "zmtp.property.value 7\n"
#define SP_GREETING "sp.signature 3\nsp.version 1\nsp.protocol 2\nsp.reserved 2\n"
#define MESSAGE                                                                                    \
    "message.topic 4\nmessage.end_of_topic 1\nmessage.version 1\nmessage.kind 1\n"                 \
    "message.zero 2\nmessage.body_length 4\nmessage.sequence 8\nmessage.sent 8\nmessage.body 2\n"

static void
expect(const char *data, size_t len, const char *fields)
{
    for (uint32_t seed = 0; seed < 20; seed++) {
        char text[4096] = "";
        struct dump dump = {.text = text, .text_size = sizeof(text)};
        dump_feed(&dump, NULL, data, len, seed);
        assert_null(dump.wrong);
        assert_string_equal(text, fields);
    }
}

#define EXPECT(bytes, fields) expect(bytes, sizeof(bytes) - 1, fields)

static void
test_zmtp(void **state)
{
    (void)state;
    EXPECT(ZMTP READY_PUB "\0\x1f" EVENT, GREETING "zmtp.flags 1\nzmtp.length 1\n" MESSAGE);
    EXPECT(ZMTP READY_PUB "\2\0\0\0\0\0\0\0\x1f" EVENT,
        GREETING "zmtp.flags 1\nzmtp.length 8\n" MESSAGE);
    EXPECT(ZMTP READY_REQ "\1\4abcd\1\0\0\2hi",
        GREETING "zmtp.flags 1\nzmtp.length 1\nzmtp.request_id 4\nzmtp.flags 1\nzmtp.length 1\n"
                 "zmtp.flags 1\nzmtp.length 1\nmessage.foreign 2\n");
    /* a command between the frames of a message */
    EXPECT(ZMTP READY_PUB "\1\1a\4\5\4PONG\0\1b",
        GREETING "zmtp.flags 1\nzmtp.length 1\nmessage.foreign 1\nzmtp.flags 1\nzmtp.length 1\n"
                 "zmtp.command 5\nzmtp.flags 1\nzmtp.length 1\nmessage.foreign 1\n");
}

/* Capital letters, digits and "-_.+", then zeros: what is next to them is none. */
static void
test_the_names_of_mechanisms(void **state)
{
    (void)state;
    static const char good[] = "zmtp.signature 10\nzmtp.major 1\nzmtp.minor 1\nzmtp.mechanism 20\n"
                               "zmtp.as_server 1\nzmtp.filler 31\n";
    static const char bad[] = "unknown.bytes 64\n";
    static const struct {
        const char *letters;
        bool good;
    } cases[] = {{"ABYZ0189-_.+", true}, {"@[`az/:,*^", false}};
    for (size_t c = 0; c < 2; c++) {
        for (const char *p = cases[c].letters; *p; p++) {
            static const size_t places[] = {0, 1, 19};
            for (size_t i = 0; i < 3; i++) {
                size_t at = places[i];
                char bytes[] = ZMTP;
                if (at == 19)
                    memset(bytes + 12, 'A', 20);
                bytes[12 + at] = *p;
                expect(bytes, sizeof(bytes) - 1, cases[c].good ? good : bad);
            }
        }
    }
    /* What a frame holds is sealed then, if it holds anything. */
    char sealed[] = ZMTP "\0\0\0\3abc\0\0";
    memcpy(sealed + 12, "OTHER", 5);
    char fields[400];
    (void)snprintf(fields, sizeof(fields),
        "%szmtp.flags 1\nzmtp.length 1\nzmtp.flags 1\nzmtp.length 1\nzmtp.data 3\n"
        "zmtp.flags 1\nzmtp.length 1\n",
        good);
    expect(sealed, sizeof(sealed) - 1, fields);

    char gap[] = ZMTP;
    gap[12 + 5] = 'A';
    expect(gap, sizeof(gap) - 1, bad);
}

static void
test_sp(void **state)
{
    (void)state;
    EXPECT(SP_PUB "\0\0\0\0\0\0\0\x1f" EVENT, SP_GREETING "sp.length 8\n" MESSAGE);
    EXPECT(SP_PUB "\1\0\0\0\0\0\0\0\x1f" EVENT, SP_GREETING "sp.type 1\nsp.length 8\n" MESSAGE);
    EXPECT(SP_PUB "\0\0\0\0\0\0\0\0", SP_GREETING "sp.length 8\n"); /* an empty message */
    EXPECT(SP_REQ "\0\0\0\0\0\0\0\6\x80\0\0\1hi",
        SP_GREETING "sp.length 8\nsp.request_id 4\nmessage.foreign 2\n");
    EXPECT(SP_REQ "\0\0\0\0\0\0\0\2hi", SP_GREETING "sp.length 8\nunknown.bytes 2\n");
}

static void
test_a_message_that_is_not_quite_ours(void **state)
{
    (void)state;
    static const size_t places[] = {5, 6, 7, 8, 12}; /* version, kind, zero, zero, body length */
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char bytes[] = SP_PUB "\0\0\0\0\0\0\0\x1f" EVENT;
        bytes[16 + places[i]] ^= 0x40;
        expect(bytes, sizeof(bytes) - 1, SP_GREETING "sp.length 8\nmessage.foreign 31\n");
    }
    char topic[16 + 300] = SP_PUB "\0\0\0\0\0\0\1\x2c"; /* 300 bytes, no end of a topic in 256 */
    memset(topic + 16, 'a', 300);
    expect(topic, sizeof(topic), SP_GREETING "sp.length 8\nmessage.foreign 300\n");
}

static void
test_messages_without_frames(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
        const char *fields;
    } cases[] = {
        {EVENT EVENT, 62, MESSAGE MESSAGE},
        {EVENT "no message", 41, MESSAGE "unknown.incomplete 10\n"},
        {EVENT "no\0 message of ours, but long", 60, MESSAGE "unknown.bytes 29\n"},
        {EVENT EVENT, 40, MESSAGE "unknown.incomplete 9\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (uint32_t seed = 0; seed < 20; seed++) {
            struct decode_options options = {.pattern = DECODE_BARE};
            char text[4096] = "";
            struct dump dump = {.text = text, .text_size = sizeof(text)};
            dump_feed(&dump, &options, cases[i].data, cases[i].len, seed);
            assert_null(dump.wrong);
            assert_string_equal(text, cases[i].fields);
        }
}

static void
test_nothing_and_little(void **state)
{
    (void)state;
    EXPECT("", "");
    EXPECT("\xff", "unknown.incomplete 1\n");
    EXPECT("\0", "unknown.incomplete 1\n");
    EXPECT("\0S", "unknown.incomplete 2\n");
    EXPECT("a", "unknown.bytes 1\n");
    EXPECT("hello world", "unknown.bytes 11\n");
    decode_close(NULL);
}

static void
ignore(void *arg, const struct decode_element *element)
{
    (void)element;
    ++*(int *)arg;
}

static size_t
allocated(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* A length is believed only as bytes come, and even then no more is kept than is shown. */
static void
test_memory(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        int more; /* MiB of zeros that follow */
    } heads[] = {
        {SP_PUB "\0\xff\xff\xff\xff\xff\xff\xff", 16, 64},
        {ZMTP "\2\x7f\xff\xff\xff\xff\xff\xff\xff", 73, 64},
        {ZMTP "\4\xff\5READY\1a\0\0\0\xee", 77, 2}, /* then an element each byte */
        {"\0\0\0\0\0\0\0\0\0", 9, 64},
        {"nobody's bytes", 14, 64},
        {"\x3f\xff\xff\xff\1", 5, 64},
    };
    unsigned char *data = calloc(1, MEBI);
    assert_non_null(data);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        int elements = 0;
        struct decode *decode;
        size_t before = allocated();
        assert_int_equal(decode_open(&decode, NULL, ignore, &elements), 0);
        assert_int_equal(decode_feed(decode, heads[i].bytes, heads[i].len), 0);
        for (int n = 0; n < heads[i].more; n++)
            assert_int_equal(decode_feed(decode, data, MEBI), 0);
        assert_true(allocated() - before < 16384); /* sanitizers count nothing: then 0 */
        decode_end(decode);
        assert_true(elements > 0);
        decode_close(decode);
    }
    free(data);
}

/* Recorded streams, as the fuzzer takes them: every split says the same. */
static void
test_corpus(void **state)
{
    (void)state;
    DIR *folder = opendir(corpus);
    struct dirent *entry;
    int files = 0;
    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        char path[4096];
        static unsigned char data[CORPUS_MAX];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", corpus, entry->d_name);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        size_t len = fread(data, 1, sizeof(data), file);
        assert_int_equal(fclose(file), 0);
        assert_in_range(len, 3, sizeof(data) - 1);
        struct decode_options options = {
            .pattern = data[0] >> 5 == 7 ? DECODE_BARE : (enum decode_pattern)(data[0] % 3),
            .from_client = data[0] & 4};
        struct dump whole = {0};
        dump_feed(&whole, &options, data + 2, len - 2, 0);
        assert_null(whole.wrong);
        assert_int_equal(whole.unknown, 0);
        for (uint32_t seed = 1; seed < 60; seed++) {
            struct dump split = {0};
            dump_feed(&split, &options, data + 2, len - 2, seed);
            assert_null(split.wrong);
            assert_true(split.hash == whole.hash);
        }
        files++;
    }
    assert_int_equal(closedir(folder), 0);
    assert_true(files >= 20);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zmtp),
        cmocka_unit_test(test_the_names_of_mechanisms),
        cmocka_unit_test(test_sp),
        cmocka_unit_test(test_a_message_that_is_not_quite_ours),
        cmocka_unit_test(test_messages_without_frames),
        cmocka_unit_test(test_nothing_and_little),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_corpus),
    };
    if (argc != 2)
        return 2;
    corpus = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}

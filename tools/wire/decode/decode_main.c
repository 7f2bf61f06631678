/*
 * decode: a tap's recording as JSON lines, every byte accounted for, and as a
 * capture for Wireshark if asked. See README.md.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "survey.h"
#include "trace.h"

static const char usage[] =
    "usage: decode [--reqrep | --pubsub | --bare | --unknown] [--show BYTES] [--segments]\n"
    "              [--pcap FILE] RECORDING...\n"
    "\n"
    "Prints recordings of the tap as JSON lines. Each byte is in one of the lines.\n"
    "  --reqrep, --pubsub  a connection without a greeting is raw's; without this\n"
    "                      option: only if every byte of it fits\n"
    "  --bare              no frames: one message after the other, as raw-1 sends\n"
    "  --unknown           another framing: guesses nothing, each byte is unknown\n"
    "  --show BYTES        bytes of an element to give in hex (64; 1 to 16777216)\n"
    "  --segments          also when bytes arrived at the tap and when they left it\n"
    "  --pcap FILE         also writes a capture of all of them, for Wireshark\n"
    "Exit: 0 done, 1 failed or the recording is damaged, 2 usage.\n";

struct arguments {
    struct decode_options options;
    bool segments;
    const char *pcap;
    char **recordings;
};

/* 0, 1: help was asked for, -1: wrong. */
static int
parse(struct arguments *ret, int argc, char **argv)
{
    static const struct option options[] = {
        {"reqrep", no_argument, NULL, 'r'},
        {"pubsub", no_argument, NULL, 'p'},
        {"bare", no_argument, NULL, 'b'},
        {"unknown", no_argument, NULL, 'u'},
        {"show", required_argument, NULL, 's'},
        {"segments", no_argument, NULL, 'g'},
        {"pcap", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        char *end = NULL;
        switch (option) {
        case 'r':
            ret->options.pattern = DECODE_REQREP;
            break;
        case 'p':
            ret->options.pattern = DECODE_PUBSUB;
            break;
        case 'b':
            ret->options.pattern = DECODE_BARE;
            break;
        case 'u':
            ret->options.pattern = DECODE_OTHER;
            break;
        case 's':
            ret->options.show = strtoul(optarg, &end, 10);
            if (*end || ret->options.show < 1 || ret->options.show > 1 << 24)
                return -1;
            break;
        case 'g':
            ret->segments = true;
            break;
        case 'w':
            ret->pcap = optarg;
            break;
        case 'h':
            return 1;
        default:
            return -1;
        }
    }
    ret->recordings = argv + optind;
    return optind < argc ? 0 : -1;
}

/* A pipe cannot be read twice: there raw's framing has to be declared. */
static int
survey(struct survey *ret, const char *path, const struct arguments *arguments)
{
    struct stat stat_of;
    *ret = (struct survey){.records = UINT64_MAX};
    if (arguments->options.pattern != DECODE_ANY || stat(path, &stat_of) < 0 ||
        !S_ISREG(stat_of.st_mode))
        return 0;
    return survey_read(ret, path);
}

static int
decode_recording(const char *path, struct pcap *pcap, const struct arguments *arguments)
{
    struct record_reader *reader = NULL;
    struct trace *trace = NULL;
    struct record record;
    struct survey found = {0};
    int got = 0;
    if (record_open(&reader, path) < 0 || survey(&found, path, arguments) < 0 ||
        trace_open(&trace, stdout, pcap, &arguments->options, found.patterns, arguments->segments) <
            0)
        goto fail;
    while (found.records-- > 0 && (got = record_read(reader, &record)) > 0)
        if (trace_record(trace, &record, record_wall(reader, record.time_ns)) < 0)
            goto fail;
    if (got > 0 && found.cut) { /* since the survey the file has grown */
        errno = ENODATA;
        got = -1;
    }
    bool cut = got < 0 && errno == ENODATA;
    bool damaged = got < 0 && errno == EBADMSG;
    if (got < 0 && !cut && !damaged)
        goto fail;
    if (cut)
        fprintf(stderr, "decode: %s: the recording is cut short, or still being written\n", path);
    if (trace_end(trace, !cut && !damaged) < 0)
        goto fail;
    if (damaged) { /* what stands before the damage has been shown */
        errno = EBADMSG;
        goto fail;
    }
    trace_close(trace);
    record_close(reader);
    survey_free(&found);
    return 0;
fail:
    if (errno != EBADMSG && errno != ENODATA)
        fprintf(stderr, "decode: %s: %s\n", path, strerror(errno));
    else if (!reader)
        fprintf(stderr, "decode: %s: not a recording of the tap\n", path);
    else
        fprintf(stderr, "decode: %s: damaged, in or after the record at byte %llu\n", path,
            (unsigned long long)record_offset(reader));
    trace_close(trace);
    record_close(reader);
    survey_free(&found);
    return -1;
}

int
main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct pcap *pcap = NULL;
    int status = 0;
    int parsed = parse(&arguments, argc, argv);
    if (parsed != 0) {
        fputs(usage, parsed > 0 ? stdout : stderr);
        return parsed > 0 ? 0 : 2;
    }
    if (arguments.pcap && pcap_create(&pcap, arguments.pcap) < 0) {
        fprintf(stderr, "decode: %s: %s\n", arguments.pcap, strerror(errno));
        return 1;
    }
    for (char **path = arguments.recordings; *path && status == 0; path++)
        if (decode_recording(*path, pcap, &arguments) < 0)
            status = 1;
    if (pcap_finish(pcap) < 0) {
        fprintf(stderr, "decode: %s: %s\n", arguments.pcap, strerror(errno));
        status = 1;
    }
    return status;
}

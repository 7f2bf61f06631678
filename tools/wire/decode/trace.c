/*
 * Follows a recording's connections: one decoder a direction, and for each the
 * moments at which its bytes arrived, so that an element that was begun in one
 * segment and ended in another has the time of its first byte. A segment is what
 * arrived at the tap at once: what one write sent, or several.
 */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"

enum {
    PARTS = DECODE_UNKNOWN + 1
};

struct segment {
    uint64_t offset; /* of its first byte */
    uint64_t time_ns;
    uint64_t record;
    uint64_t number;
};

struct direction {
    struct trace *trace;
    uint32_t conn;
    bool up;
    struct decode *decode;
    struct segment *segments; /* those that elements to come may begin in */
    size_t first;
    size_t count; /* the end; segments[first..count) */
    size_t size;
    uint64_t bytes;
    uint64_t passed; /* of them, on to the other side */
    uint64_t segments_seen;
    uint64_t parts[PARTS];
    uint64_t messages;
};

struct conn {
    struct conn *next;
    uint32_t number;
    struct direction up;
    struct direction down;
    struct pcap_conn *pcap; /* NULL without a capture */
};

struct trace {
    FILE *out;
    struct pcap *pcap;
    struct decode_options options;
    bool segments;
    struct conn *conns;
    const enum decode_pattern *patterns; /* of each connection; NULL: options' */
    uint64_t start_ns; /* of the first record; times count from it */
    uint64_t last_ns; /* of the last */
    uint64_t records;
    uint64_t conns_seen;
};

static void
put_string(FILE *out, const char *name, const void *data, size_t len)
{
    fprintf(out, ",\"%s\":", name);
    json_string(out, data, len);
}

static void
put_head(struct trace *trace, const char *event, uint32_t conn, uint64_t time_ns)
{
    uint64_t ns = time_ns - trace->start_ns;
    fprintf(trace->out, "{\"event\":\"%s\",\"connection\":%u,\"time\":%llu.%09llu", event, conn,
        (unsigned long long)(ns / CLOCK_S), (unsigned long long)(ns % CLOCK_S));
}

static void
put_direction(FILE *out, bool up)
{
    fprintf(out, ",\"direction\":\"%s\"", up ? "up" : "down");
}

static void
put_number(FILE *out, const char *name, uint64_t value)
{
    fprintf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void
element(void *arg, const struct decode_element *element)
{
    struct direction *dir = arg;
    FILE *out = dir->trace->out;
    while (dir->first + 1 < dir->count && dir->segments[dir->first + 1].offset <= element->offset)
        dir->first++;
    const struct segment *segment = &dir->segments[dir->first];
    put_head(dir->trace, "element", dir->conn, segment->time_ns);
    put_direction(out, dir->up);
    put_number(out, "record", segment->record);
    put_number(out, "segment", segment->number);
    put_number(out, "offset", element->offset);
    put_number(out, "length", element->len);
    put_string(out, "layer", element->field, strcspn(element->field, "."));
    put_string(out, "field", element->field, strlen(element->field));
    put_string(
        out, "part", decode_part_name(element->part), strlen(decode_part_name(element->part)));
    put_number(out, "message", element->message);
    if (element->has_value)
        put_number(out, "value", element->value);
    if (element->text)
        put_string(out, "text", element->text, element->text_len);
    put_string(out, "meaning", element->meaning, strlen(element->meaning));
    fputs(",\"hex\":\"", out);
    for (size_t i = 0; i < element->data_len; i++)
        fprintf(out, "%02x", element->data[i]);
    fputs("\"}\n", out);
    dir->parts[element->part] += element->len;
    if (element->message > dir->messages)
        dir->messages = element->message;
}

static int
direction_init(struct direction *dir, struct trace *trace, uint32_t conn, bool up)
{
    struct decode_options options = trace->options;
    options.from_client = up;
    if (trace->patterns)
        options.pattern = trace->patterns[trace->conns_seen];
    dir->trace = trace;
    dir->conn = conn;
    dir->up = up;
    return decode_open(&dir->decode, &options, element, dir);
}

static int
direction_data(struct direction *dir, const struct record *record)
{
    if (dir->first > dir->size / 2) {
        dir->count -= dir->first;
        memmove(dir->segments, dir->segments + dir->first, dir->count * sizeof(*dir->segments));
        dir->first = 0;
    }
    if (dir->count == dir->size) {
        size_t size = dir->size ? dir->size * 2 : 16;
        struct segment *segments = realloc(dir->segments, size * sizeof(*segments));
        if (!segments)
            return -1;
        dir->segments = segments;
        dir->size = size;
    }
    dir->segments[dir->count++] = (struct segment){
        .offset = dir->bytes,
        .time_ns = record->time_ns,
        .record = dir->trace->records,
        .number = ++dir->segments_seen,
    };
    dir->bytes += record->len;
    return decode_feed(dir->decode, record->data, record->len);
}

static void
direction_end(struct direction *dir, uint64_t time_ns)
{
    FILE *out = dir->trace->out;
    decode_end(dir->decode);
    put_head(dir->trace, "totals", dir->conn, time_ns);
    put_direction(out, dir->up);
    put_number(out, "bytes", dir->bytes);
    put_number(out, "segments", dir->segments_seen);
    put_number(out, "frames", decode_frames(dir->decode));
    if (decode_uncounted(dir->decode))
        fputs(",\"messages\":null", out);
    else
        put_number(out, "messages", dir->messages);
    for (int part = 0; part < PARTS; part++)
        put_number(out, decode_part_name((enum decode_part)part), dir->parts[part]);
    fputs("}\n", out);
}

static void
conn_free(struct conn *conn)
{
    decode_close(conn->up.decode);
    decode_close(conn->down.decode);
    free(conn->up.segments);
    free(conn->down.segments);
    pcap_drop(conn->pcap);
    free(conn);
}

int
trace_open(struct trace **ret, FILE *out, struct pcap *pcap, const struct decode_options *options,
    const enum decode_pattern *patterns, bool segments)
{
    struct trace *trace = calloc(1, sizeof(*trace));
    if (!trace)
        return -1;
    trace->out = out;
    trace->pcap = pcap;
    trace->options = *options;
    trace->patterns = patterns;
    trace->segments = segments;
    *ret = trace;
    return 0;
}

/* names NULL: the recording begins after the connection did, or its record is lost. */
static int
begin(struct trace *trace, const struct record *record, const struct record_names *names,
    uint64_t wall_ns)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return -1;
    conn->number = record->conn;
    if (direction_init(&conn->up, trace, record->conn, true) < 0 ||
        direction_init(&conn->down, trace, record->conn, false) < 0)
        goto fail;
    decode_pair(conn->up.decode, conn->down.decode);
    if (trace->pcap &&
        pcap_open(trace->pcap, &conn->pcap, names ? names->client : "", names ? names->server : "",
            wall_ns) < 0)
        goto fail;
    conn->next = trace->conns;
    trace->conns = conn;
    trace->conns_seen++;
    return 0;
fail:
    conn_free(conn);
    return -1;
}

static int
opened(struct trace *trace, const struct record *record, uint64_t wall_ns)
{
    struct record_names names;
    if (record_names(&names, record) < 0 || begin(trace, record, &names, wall_ns) < 0)
        return -1;
    put_head(trace, "open", record->conn, record->time_ns);
    put_string(trace->out, "client", names.client, strlen(names.client));
    put_string(trace->out, "server", names.server, strlen(names.server));
    const char *client, *server;
    if (trace->pcap && pcap_invented(trace->conns->pcap, &client, &server)) {
        put_string(trace->out, "capture_client", client, strlen(client));
        put_string(trace->out, "capture_server", server, strlen(server));
    }
    fputs("}\n", trace->out);
    return 0;
}

static int
closed(struct trace *trace, struct conn **at, const struct record *record, uint64_t wall_ns)
{
    struct conn *conn = *at;
    bool server = record->len == 6 && memcmp(record->data, "server", 6) == 0;
    int result = 0;
    direction_end(&conn->up, record->time_ns);
    direction_end(&conn->down, record->time_ns);
    put_head(trace, "close", record->conn, record->time_ns);
    put_string(trace->out, "by", record->data, record->len);
    fputs("}\n", trace->out);
    if (conn->pcap &&
        (pcap_fin(conn->pcap, !server, wall_ns) < 0 || pcap_fin(conn->pcap, server, wall_ns) < 0))
        result = -1;
    *at = conn->next;
    conn_free(conn);
    return result;
}

/* Bytes arrived, or went on: so many, from that offset on. */
static void
put_moved(struct trace *trace, const struct record *record, uint64_t offset, uint64_t len)
{
    if (!trace->segments)
        return;
    put_head(
        trace, record->type == RECORD_DATA ? "segment" : "pass", record->conn, record->time_ns);
    put_direction(trace->out, record->direction == RECORD_UP);
    put_number(trace->out, "record", trace->records);
    put_number(trace->out, "offset", offset);
    put_number(trace->out, "length", len);
    fputs("}\n", trace->out);
}

/* A record of a direction. */
static int
directed(struct trace *trace, struct conn *conn, const struct record *record, uint64_t wall_ns)
{
    bool up = record->direction == RECORD_UP;
    struct direction *dir = up ? &conn->up : &conn->down;
    uint64_t count;
    if (record->type == RECORD_PASS) {
        if (record_count(&count, record) < 0)
            return -1;
        put_moved(trace, record, dir->passed, count);
        dir->passed += count;
        return 0;
    }
    if (record->type == RECORD_DATA) {
        put_moved(trace, record, dir->bytes, record->len);
        if (conn->pcap && pcap_data(conn->pcap, up, wall_ns, record->data, record->len) < 0)
            return -1;
        return direction_data(dir, record);
    }
    bool reset = record->type == RECORD_RESET;
    put_head(trace, reset ? "reset" : "shut", record->conn, record->time_ns);
    put_direction(trace->out, up);
    fputs("}\n", trace->out);
    if (!conn->pcap)
        return 0;
    return reset ? pcap_reset(conn->pcap, up, wall_ns) : pcap_fin(conn->pcap, up, wall_ns);
}

int
trace_record(struct trace *trace, const struct record *record, uint64_t wall_ns)
{
    if (trace->records++ == 0)
        trace->start_ns = record->time_ns;
    trace->last_ns = record->time_ns;
    if (record->type == RECORD_OPEN)
        return opened(trace, record, wall_ns);
    if (record->type == RECORD_NOTE) {
        put_head(trace, "note", record->conn, record->time_ns);
        put_string(trace->out, "text", record->data, record->len);
        fputs("}\n", trace->out);
        return 0;
    }
    if (record->type == RECORD_END)
        return 0;
    struct conn **at = &trace->conns;
    while (*at && (*at)->number != record->conn)
        at = &(*at)->next;
    if (!*at) {
        if (record->type != RECORD_DATA)
            return 0;
        if (begin(trace, record, NULL, wall_ns) < 0)
            return -1;
        at = &trace->conns;
    }
    if (record->type == RECORD_CLOSE)
        return closed(trace, at, record, wall_ns);
    return directed(trace, *at, record, wall_ns);
}

int
trace_end(struct trace *trace, bool complete)
{
    while (trace->conns) {
        struct conn *conn = trace->conns;
        direction_end(&conn->up, trace->last_ns);
        direction_end(&conn->down, trace->last_ns);
        trace->conns = conn->next;
        conn_free(conn);
    }
    fprintf(trace->out, "{\"event\":\"end\",\"complete\":%s,\"connections\":%llu}\n",
        complete ? "true" : "false", (unsigned long long)trace->conns_seen);
    if (fflush(trace->out) != 0 || ferror(trace->out)) {
        errno = EIO;
        return -1;
    }
    return 0;
}

void
trace_close(struct trace *trace)
{
    if (!trace)
        return;
    while (trace->conns) {
        struct conn *conn = trace->conns;
        trace->conns = conn->next;
        conn_free(conn);
    }
    free(trace);
}

/*
 * A recording's connections, decoded, as JSON lines: an object a line for each
 * element and event, and totals when a connection ends. README.md gives the
 * fields. Optionally a capture beside it.
 *
 * Functions return 0 on success, -1 and errno on failure.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdint.h>
#include <stdio.h>

#include "decode.h"
#include "pcap.h"
#include "record.h"

struct trace;

/*
 * out is borrowed; pcap too, and may be NULL; options' from_client is set here. patterns: of each
 * connection, in the order of their first records; they take the place of options' pattern, and
 * are borrowed. NULL: options' is meant. segments: also an object for each arrival at the tap, and
 * for each passing on.
 */
int trace_open(struct trace **ret, FILE *out, struct pcap *pcap,
    const struct decode_options *options, const enum decode_pattern *patterns, bool segments);

/* The next record; wall_ns: its time by the wall clock. */
int trace_record(struct trace *trace, const struct record *record, uint64_t wall_ns);

/* No more records: the connections still open end here. complete: the recording said so. */
int trace_end(struct trace *trace, bool complete);

/* Accepts NULL. */
void trace_close(struct trace *trace);

#endif

/*
 * Is a conversation raw's? Its framing has no greeting, so the decoder reads it
 * only where it is declared. A probe takes all bytes of both directions and
 * tries each declaration. One holds if every frame of both directions fits, and
 * all messages are Triptych's, at least one of them. Less would be a guess:
 * many protocols begin with a length of 4 bytes.
 */
#ifndef PROBE_H
#define PROBE_H

#include "decode.h"

struct probe;

int probe_open(struct probe **ret);
int probe_feed(struct probe *probe, bool from_client, const void *data, size_t len);

/* All has been fed. DECODE_REQREP, DECODE_PUBSUB, or DECODE_ANY: neither fits. */
enum decode_pattern probe_end(struct probe *probe);

/* Accepts NULL. */
void probe_close(struct probe *probe);

#endif

/*
 * Bytes on their way through the tap, each with the time at which it may go on:
 * a ring of bytes and a ring of marks, one mark for each run of bytes that
 * arrived together. Order is kept: no byte is due before the one in front of it.
 */
#ifndef TAP_QUEUE_H
#define TAP_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct tap_mark;

struct tap_queue {
    unsigned char *bytes;
    size_t size; /* of the ring; a power of two, or 0 */
    size_t head;
    size_t used;
    size_t ready; /* bytes at the head whose time has come */
    struct tap_mark *marks; /* of the bytes behind those */
    size_t marks_size;
    size_t marks_head;
    size_t marks_used;
    int64_t last_due_ns; /* no later byte may be due before */
};

enum {
    TAP_QUEUE_MARKS_MAX = 1 << 20, /* a full queue, whatever its bytes: 16 MiB of marks */
};

/* Appends bytes that are due at due_ns or later. ENOMEM: nothing is changed. */
int tap_queue_push(struct tap_queue *queue, const void *data, size_t len, int64_t due_ns);

/* The bytes at the head, in one piece, that are due at now_ns; returns how many. */
size_t tap_queue_peek(struct tap_queue *queue, const unsigned char **ret, int64_t now_ns);

/* Drops n bytes that tap_queue_peek showed. */
void tap_queue_pop(struct tap_queue *queue, size_t n);

/* When the first byte that is not due becomes so; CLOCK_NEVER if there is none. */
int64_t tap_queue_due(const struct tap_queue *queue);

/* All is due at once, and what follows again by its own time. */
void tap_queue_hurry(struct tap_queue *queue);

/* Frees all; the queue is empty and may be used again. */
void tap_queue_free(struct tap_queue *queue);

#endif

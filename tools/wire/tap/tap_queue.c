/*
 * The queue of one direction of one connection. Most of the time it does not
 * exist: bytes that may go on at once never enter it. It grows by doubling (how
 * far is its user's decision), and gives memory back when it is empty.
 */
#include "tap_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum {
    BYTES_MIN = 4096,
    BYTES_KEPT = 256 * 1024, /* a larger ring is freed when empty */
    MARKS_MIN = 16,
};

struct tap_mark {
    int64_t due_ns;
    size_t len;
};

/* Moves a ring of elements of a size into a larger one; its head is then 0. */
static void *
ring_grow(const void *ring, size_t element, size_t size, size_t head, size_t used, size_t larger)
{
    unsigned char *grown = malloc(larger * element);
    const unsigned char *from = ring;
    size_t first = used < size - head ? used : size - head;
    if (grown && used > 0) {
        memcpy(grown, from + head * element, first * element);
        memcpy(grown + first * element, from, (used - first) * element);
    }
    return grown;
}

static int
grow_bytes(struct tap_queue *queue, size_t len)
{
    size_t larger = queue->size == 0 ? BYTES_MIN : queue->size;
    while (larger - queue->used < len)
        larger *= 2;
    if (larger == queue->size)
        return 0;
    unsigned char *grown =
        ring_grow(queue->bytes, 1, queue->size, queue->head, queue->used, larger);
    if (!grown)
        return -1;
    free(queue->bytes);
    queue->bytes = grown;
    queue->size = larger;
    queue->head = 0;
    return 0;
}

static int
grow_marks(struct tap_queue *queue)
{
    size_t larger = queue->marks_size == 0 ? MARKS_MIN : queue->marks_size * 2;
    if (queue->marks_used < queue->marks_size)
        return 0;
    struct tap_mark *grown = ring_grow(queue->marks, sizeof(*grown), queue->marks_size,
        queue->marks_head, queue->marks_used, larger);
    if (!grown)
        return -1;
    free(queue->marks);
    queue->marks = grown;
    queue->marks_size = larger;
    queue->marks_head = 0;
    return 0;
}

int
tap_queue_push(struct tap_queue *queue, const void *data, size_t len, int64_t due_ns)
{
    size_t tail;
    struct tap_mark *last = NULL;
    if (len == 0)
        return 0;
    if (due_ns < queue->last_due_ns)
        due_ns = queue->last_due_ns;
    if (queue->marks_used > 0) {
        tail = (queue->marks_head + queue->marks_used - 1) & (queue->marks_size - 1);
        last = &queue->marks[tail];
    }
    if (grow_bytes(queue, len) < 0)
        return -1;
    if (last && last->due_ns == due_ns) {
        last->len += len;
    } else {
        if (grow_marks(queue) < 0)
            return -1;
        tail = (queue->marks_head + queue->marks_used) & (queue->marks_size - 1);
        queue->marks[tail] = (struct tap_mark){.due_ns = due_ns, .len = len};
        queue->marks_used++;
    }
    queue->last_due_ns = due_ns;
    tail = (queue->head + queue->used) & (queue->size - 1);
    size_t first = len < queue->size - tail ? len : queue->size - tail;
    memcpy(queue->bytes + tail, data, first);
    memcpy(queue->bytes, (const unsigned char *)data + first, len - first);
    queue->used += len;
    return 0;
}

size_t
tap_queue_peek(struct tap_queue *queue, const unsigned char **ret, int64_t now_ns)
{
    while (queue->marks_used > 0 && queue->marks[queue->marks_head].due_ns <= now_ns) {
        queue->ready += queue->marks[queue->marks_head].len;
        queue->marks_head = (queue->marks_head + 1) & (queue->marks_size - 1);
        queue->marks_used--;
    }
    if (queue->ready == 0)
        return 0;
    size_t piece = queue->size - queue->head;
    *ret = queue->bytes + queue->head;
    return queue->ready < piece ? queue->ready : piece;
}

void
tap_queue_pop(struct tap_queue *queue, size_t n)
{
    queue->head = (queue->head + n) & (queue->size - 1);
    queue->used -= n;
    queue->ready -= n;
    if (queue->used > 0)
        return;
    queue->head = 0; /* touch the same few pages again */
    if (queue->size > BYTES_KEPT)
        tap_queue_free(queue);
}

int64_t
tap_queue_due(const struct tap_queue *queue)
{
    return queue->marks_used == 0 ? CLOCK_NEVER : queue->marks[queue->marks_head].due_ns;
}

void
tap_queue_hurry(struct tap_queue *queue)
{
    queue->ready = queue->used;
    queue->marks_used = 0;
    queue->last_due_ns = 0;
}

void
tap_queue_free(struct tap_queue *queue)
{
    int64_t last_due_ns = queue->last_due_ns;
    free(queue->bytes);
    free(queue->marks);
    memset(queue, 0, sizeof(*queue));
    queue->last_due_ns = last_due_ns;
}

/*
 * Raw's framing: see frame.h. A length is only what the peer claims. It is
 * compared with the limit and with the bytes received, and nothing is allocated
 * for it.
 */
#include "frame.h"

#include "bytes.h"

#include <errno.h>

size_t
frame_head(unsigned char *buf, bool ids, uint32_t id, size_t len)
{
    put_u32(buf, (uint32_t)(len + (ids ? FRAME_ID : 0)));
    if (!ids)
        return FRAME_LENGTH;
    put_u32(buf + FRAME_LENGTH, id);
    return FRAME_HEAD_MAX;
}

ssize_t
frame_read(struct frame *ret, const struct framing *framing,
    const unsigned char *data, size_t len)
{
    size_t id_len = framing->ids ? FRAME_ID : 0;
    if (len < FRAME_LENGTH)
        return 0;
    size_t claimed = get_u32(data);
    if (claimed < id_len) { /* R7, P7 */
        errno = EBADMSG;
        return -1;
    }
    if (len < FRAME_LENGTH + id_len)
        return 0;
    uint32_t id = framing->ids ? get_u32(data + FRAME_LENGTH) : 0;
    if (claimed - id_len > framing->max) {
        ret->id = id;
        ret->data = NULL;
        ret->len = claimed - id_len;
        errno = EMSGSIZE;
        return -1;
    }
    if (len - FRAME_LENGTH < claimed) /* the rest is to come: R1 */
        return 0;
    ret->id = id;
    ret->data = data + FRAME_LENGTH + id_len;
    ret->len = claimed - id_len;
    return (ssize_t)(FRAME_LENGTH + claimed);
}

/*
 * See survey.h. Connections are told apart as trace.c tells them: an open record
 * begins one, and so do data that belong to none.
 */
#include "survey.h"

#include <errno.h>
#include <stdlib.h>

#include "probe.h"
#include "record.h"

struct conn {
    struct conn *next; /* the one before it in the recording */
    struct probe *probe;
    uint32_t number;
    bool closed;
};

static struct conn *
find(struct conn *conns, uint32_t number)
{
    while (conns && (conns->number != number || conns->closed))
        conns = conns->next;
    return conns;
}

static int
begin(struct conn **conns, uint32_t number)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    if (!conn || probe_open(&conn->probe) < 0) {
        free(conn);
        return -1;
    }
    conn->number = number;
    conn->next = *conns;
    *conns = conn;
    return 0;
}

static int
take(struct conn **conns, const struct record *record)
{
    struct conn *conn = find(*conns, record->conn);
    if (record->type == RECORD_CLOSE && conn)
        conn->closed = true;
    if (record->type == RECORD_OPEN)
        return begin(conns, record->conn);
    if (record->type != RECORD_DATA)
        return 0;
    if (!conn && begin(conns, record->conn) < 0)
        return -1;
    conn = conn ? conn : *conns;
    return probe_feed(conn->probe, record->direction == RECORD_UP, record->data, record->len);
}

static int
conclude(struct survey *survey, struct conn *conns)
{
    size_t count = 0;
    for (struct conn *conn = conns; conn; conn = conn->next)
        count++;
    survey->patterns = calloc(count + 1, sizeof(*survey->patterns));
    if (!survey->patterns)
        return -1;
    for (struct conn *conn = conns; conn; conn = conn->next)
        survey->patterns[--count] = probe_end(conn->probe);
    return 0;
}

int
survey_read(struct survey *ret, const char *path)
{
    struct record_reader *reader = NULL;
    struct conn *conns = NULL;
    struct record record;
    int result = -1;
    int got;
    *ret = (struct survey){0};
    if (record_open(&reader, path) < 0)
        goto done;
    do {
        got = record_read(reader, &record);
        ret->records++;
        if (got > 0 && take(&conns, &record) < 0)
            goto done;
    } while (got > 0);
    ret->cut = got < 0 && errno == ENODATA;
    if (got < 0 && !ret->cut && errno != EBADMSG)
        goto done;
    result = conclude(ret, conns);
done:
    while (conns) {
        struct conn *next = conns->next;
        probe_close(conns->probe);
        free(conns);
        conns = next;
    }
    record_close(reader);
    return result;
}

void
survey_free(struct survey *survey)
{
    free(survey->patterns);
}

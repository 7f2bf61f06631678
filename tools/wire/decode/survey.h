/*
 * A first reading of a whole recording, which finds out which of its
 * connections are raw's: see probe.h. The second reading then knows.
 */
#ifndef SURVEY_H
#define SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"

struct survey {
    uint64_t records; /* read, with the one that is damaged or not whole */
    bool cut; /* the last one is not whole: by now the file may have grown */
    enum decode_pattern *patterns; /* of each connection, in the order of their first records */
};

/* 0 whatever the recording holds; -1: what open(2) or read(2) said, or ENOMEM. */
int survey_read(struct survey *ret, const char *path);

void survey_free(struct survey *survey);

#endif

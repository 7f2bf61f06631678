/* A part of the interface: enough for a frozen sample. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>

struct req;

int req_open(struct req **ret, const char *url);

/* Sends. */
int req_send(struct req *req, const void *data, size_t len);
void req_close(struct req *req);

#endif

/*
 * What a panel notices and cannot return: a peer that it refused, a message
 * that it discarded. No call of pattern.h failed, so there is no errno for it.
 */
#ifndef NOTICE_H
#define NOTICE_H

enum {
    NOTICES_MAX = 16, /* kinds of notices that one process tells */
};

/*
 * Tells whoever listens, in one sentence without a full stop. Each kind is told
 * once in a process, so that a peer that comes again and again fills no log.
 * The format makes the kind, so it must be a literal. Says nothing if nobody
 * listens.
 */
void notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes notice() call hear(owner, text); hear NULL: nobody listens any more. */
void notice_to(void (*hear)(void *owner, const char *text), void *owner);

#endif

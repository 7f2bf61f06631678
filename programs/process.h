/* What a program asks of its system beside time, signals and sockets. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stddef.h>
#include <sys/types.h>

enum {
    PROCESS_CPU_MAX = 1023, /* the highest number of a processor */
};

/*
 * Prepares the standard streams, and on Windows the arguments too: they are in
 * UTF-8 behind it. Call it first.
 */
void process_open(int *argc, char ***argv);

/* Runs on this processor only, and so do the threads that come later. */
int process_pin(unsigned cpu);

/* Raises the limit of descriptors, and makes sleeps end in time. */
void process_raise_limits(void);

/* Reads standard input, as read(2) does. EINTR: a signal. */
ssize_t process_read(void *buf, size_t size);

/*
 * Whether process_read() would return at once: it has something, or the input
 * has ended. 1: so it is; 0: not yet; -1: errno says why.
 */
int process_input(void);

/*
 * Waits until standard output takes a line of up to 4096 bytes at once, at most
 * so many ms (-1: for ever). 1: it does, or writing fails; 0: not in time; -1
 * and EINTR: a signal.
 */
int process_output(int timeout_ms);

#endif

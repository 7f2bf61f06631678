/*
 * Commands to the tap, one a line on standard input, each answered by one event.
 * The same words stand behind the options of the command line.
 */
#ifndef TAP_COMMAND_H
#define TAP_COMMAND_H

#include "tap.h"

struct commands {
    struct watch watch;
    int fd;
    bool until_eof; /* the end of standard input ends the tap */
    bool skipping; /* the rest of a line that was too long */
    size_t len;
    char line[1024];
};

/* Watches fd for commands. A file is read at once, to its end. -1 and errno. */
int commands_open(struct tap *tap, struct commands *commands, int fd);

/* Runs one command and prints what came of it. The line is cut to words in place. */
void command_run(struct tap *tap, char *line);

/* The totals, and with connections each one, into the event that is being built. */
void command_totals(struct tap *tap);

#endif

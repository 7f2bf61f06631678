/*
 * Commands to the tap, one a line on standard input, each answered by one event.
 * The same words stand behind the options of the command line.
 */
#ifndef TAP_COMMAND_H
#define TAP_COMMAND_H

#include "tap.h"

struct tap_commands {
    struct tap_watch watch;
    int fd;
    bool until_eof; /* the end of standard input ends the tap */
    bool skipping; /* the rest of a line that was too long */
    size_t len;
    char line[1024];
};

/* Watches fd for commands. A file is read at once, to its end. -1 and errno. */
int tap_commands_open(struct tap *tap, struct tap_commands *commands, int fd);

/* The totals, and with connections each one, into the event that is being built. */
void tap_command_totals(struct tap *tap);

#endif

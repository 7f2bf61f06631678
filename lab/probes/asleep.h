/* Whether a process, or a thread of this one, sleeps: it waits in a call. */
#ifndef ASLEEP_H
#define ASLEEP_H

#include <stdio.h>
#include <sys/types.h>

/* folder: "/proc" for a process, "/proc/self/task" for a thread; one that has ended sleeps. */
static inline int
asleep(const char *folder, pid_t number)
{
    char path[64], state = 'S';
    snprintf(path, sizeof(path), "%s/%d/stat", folder, (int)number);
    FILE *stat = fopen(path, "r");
    if (!stat)
        return 1;
    (void)!fscanf(stat, "%*d (%*[^)]) %c", &state);
    fclose(stat);
    return state == 'S';
}

#endif

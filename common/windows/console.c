/* Ctrl-C on Windows: see console.h. */
#include "console.h"

#include <windows.h>

#include <errno.h>
#include <stddef.h>

static HANDLE event; /* manual-reset: it stays set */

/*
 * Runs in a thread of its own. For the closing of the console the process ends
 * when this returns, and a few seconds after it was called in any case:
 * learn.microsoft.com/windows/console/handlerroutine.
 */
static BOOL WINAPI
on_control(DWORD kind)
{
    console_interrupt();
    if (kind == CTRL_CLOSE_EVENT)
        Sleep(INFINITE); /* the main thread ends the process */
    return TRUE;
}

int
console_catch(void)
{
    event = CreateEvent(NULL, TRUE, FALSE, NULL);
    if (event && SetConsoleCtrlHandler(on_control, TRUE))
        return 0;
    errno = EAGAIN;
    return -1;
}

void
console_interrupt(void)
{
    (void)SetEvent(event);
}

bool
console_interrupted(void)
{
    return event && WaitForSingleObject(event, 0) == WAIT_OBJECT_0;
}

void *
console_event(void)
{
    return event;
}

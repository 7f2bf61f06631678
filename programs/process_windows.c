/* A process on Windows: see process.h. process.c is its twin for POSIX. */
#include "process.h"

#include <winsock2.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"

/* The arguments in UTF-8, as a program of POSIX gets them: those of main() are
 * in the code page of the system, which lacks most characters. */
static void
take_arguments(int *argc, char ***argv)
{
    int count;
    LPWSTR *wide = CommandLineToArgvW(GetCommandLineW(), &count);
    char **ret = wide ? calloc((size_t)count + 1, sizeof(*ret)) : NULL;
    for (int i = 0; ret && i < count; i++) {
        int size =
            WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, NULL, 0, NULL, NULL);
        ret[i] = malloc((size_t)size);
        if (!ret[i])
            return; /* those of main() will do */
        (void)WideCharToMultiByte(
            CP_UTF8, 0, wide[i], -1, ret[i], size, NULL, NULL);
    }
    if (ret) {
        *argc = count;
        *argv = ret;
    }
}

void
process_open(int *argc, char ***argv)
{
    WSADATA data;
    take_arguments(argc, argv); /* kept until the process ends */
    /* Else each "\n" becomes "\r\n", and a byte 1a ends standard input. */
    (void)_setmode(_fileno(stdin), _O_BINARY);
    (void)_setmode(_fileno(stdout), _O_BINARY);
    (void)_setmode(_fileno(stderr), _O_BINARY);
    /* For the look-up of a host name; each handle does so for itself. */
    (void)WSAStartup(MAKEWORD(2, 2), &data);
}

int
process_pin(unsigned cpu)
{
    errno = EINVAL;
    if (cpu >= 8 * sizeof(DWORD_PTR))
        return -1;
    return SetProcessAffinityMask(GetCurrentProcess(), (DWORD_PTR)1 << cpu)
        ? 0
        : -1;
}

/* A process may have 16 million handles, and there is no limit to raise. */
void
process_raise_limits(void)
{
}

/* What has been read of standard input, and by whom. */
static struct {
    HANDLE thread; /* NULL: not yet needed */
    HANDLE wanted, done; /* events: a read is to be made; it has been made */
    bool pending; /* it has been asked for */
    char data[4096];
    DWORD len; /* bytes in data, from at on */
    DWORD at;
} input;

/* Nothing ends a read that waits. So it is made in a thread, and the main
 * thread waits for it or for Ctrl-C. */
static DWORD WINAPI
read_input(void *unused)
{
    (void)unused;
    while (WaitForSingleObject(input.wanted, INFINITE) == WAIT_OBJECT_0) {
        /* It fails when the other end has been closed: the end, too. */
        if (!ReadFile(GetStdHandle(STD_INPUT_HANDLE), input.data,
                sizeof(input.data), &input.len, NULL))
            input.len = 0;
        (void)SetEvent(input.done);
    }
    return 0;
}

/* Asks for what comes next, unless some is left. */
static int
begin_to_read(void)
{
    errno = EAGAIN;
    if (!input.thread) {
        input.wanted = CreateEvent(NULL, FALSE, FALSE, NULL);
        input.done = CreateEvent(NULL, TRUE, FALSE, NULL);
        if (!input.wanted || !input.done)
            return -1;
        input.thread = CreateThread(NULL, 0, read_input, NULL, 0, NULL);
        if (!input.thread)
            return -1;
    }
    if (input.pending)
        return 0;
    input.pending = true;
    input.at = 0;
    (void)ResetEvent(input.done);
    return SetEvent(input.wanted) ? 0 : -1;
}

ssize_t
process_read(void *buf, size_t size)
{
    HANDLE ends[] = {NULL, console_event()};
    if (begin_to_read() < 0)
        return -1;
    ends[0] = input.done;
    if (WaitForMultipleObjects(ends[1] ? 2 : 1, ends, FALSE, INFINITE) !=
        WAIT_OBJECT_0) {
        errno = EINTR;
        return -1;
    }
    size_t left = input.len - input.at;
    size_t n = left < size ? left : size;
    memcpy(buf, input.data + input.at, n);
    input.at += (DWORD)n;
    input.pending = input.at < input.len;
    return (ssize_t)n;
}

int
process_input(void)
{
    if (begin_to_read() < 0)
        return -1;
    return WaitForSingleObject(input.done, 0) == WAIT_OBJECT_0;
}

/* No signal interrupts a write here, so it may block. */
int
process_output(int timeout_ms)
{
    (void)timeout_ms;
    return 1;
}

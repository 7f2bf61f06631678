/*
 * Makes calls fail on demand. ld.so(8) loads this library before the others (LD_PRELOAD), so the
 * functions below stand in front of those of the C library and of the messaging libraries. They
 * count the calls that the program itself makes; what a library calls passes. The return address
 * tells the two apart. A call that is chosen is not made: it fails with an errno that its manual
 * lists.
 *
 *   env LD_PRELOAD=build/tests/contract/failing.so FAIL=7 build/raw-rep -u ipc:///tmp/example
 *
 *   FAIL=N                the Nth call fails, whatever it calls
 *   FAIL=NAME:N[:ERRNO]   the Nth call of this function; N 0: each
 *   FAILED=FILE           the report (see failing_report()) is written there: when a call fails,
 * and when the program ends
 *
 * A program that goes on, such as the driver, calls failing_arm() and failing_report().
 *
 * Two more things are looked at. A call that succeeds may change errno (errno(3)), and here each
 * does: a program that keeps an errno over a clean-up must save it. And what the program acquires
 * and gives back is counted: memory, descriptors, messages, objects of a library.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SPOILED = EBFONT, /* errno after a call that succeeded: nothing here means it */
    ADD = 1, /* EPOLL_CTL_ADD: a change of a descriptor that is watched cannot fail */
    CREATE = 0100, /* O_CREAT, on most systems */
};

#define WHOLE_MESSAGE ((size_t)-1) /* NN_MSG: the library's own memory, not the caller's */

enum kind {
    MEMORY,
    DESCRIPTOR,
    MESSAGE,
    OBJECT,
    KINDS
};

static atomic_long held[KINDS];
static atomic_bool armed;
static atomic_long made; /* calls that were counted since failing_arm() */
static char name_wanted[32]; /* empty: any function */
static long number_wanted;
static int errno_wanted; /* 0: the function's usual one */
static const char *failed; /* the function that has failed; NULL: none has */
static int failed_errno;
static uintptr_t code_begin, code_end; /* the program's own */

void failing_arm(const char *spec);
const char *failing_report(void);

/* Finds the function that this library's one hides. dlsym(3) returns an object's address. */
static void
find(void *function, const char *name)
{
    void *address = dlsym(RTLD_NEXT, name);
    memcpy(function, &address, sizeof(address));
}

static bool
is_ours(const void *caller)
{
    return (uintptr_t)caller >= code_begin && (uintptr_t)caller < code_end;
}

static void
write_report(void)
{
    const char *path = getenv("FAILED");
    FILE *file = path ? fopen(path, "we") : NULL;
    if (!file)
        return;
    (void)fprintf(file, "{%s}\n", failing_report());
    (void)fclose(file);
}

/* Counts a call, and says whether it is to fail; errno is then set. */
static bool
fails(const char *name, int usual)
{
    if (!armed || (name_wanted[0] != '\0' && strcmp(name_wanted, name) != 0))
        return false;
    long number = ++made;
    if (number_wanted != 0 && number != number_wanted)
        return false;
    failed = name;
    failed_errno = errno_wanted ? errno_wanted : usual;
    write_report();
    errno = failed_errno;
    return true;
}

static void
hold(enum kind kind, long more)
{
    held[kind] += more;
}

/*
 * Stands in front of a function: for calls of the program that meet `when`, it may fail with that
 * errno and value. `gained` is done after a success.
 */
#define FAILING_WHEN(when, type, name, params, arguments, errnum, failure, gained)                 \
    type name params;                                                                              \
    type name params                                                                               \
    {                                                                                              \
        static type(*real) params;                                                                 \
        bool ours = is_ours(__builtin_return_address(0));                                          \
        if (!real)                                                                                 \
            find(&real, #name);                                                                    \
        if (ours && (when) && fails(#name, errnum))                                                \
            return failure;                                                                        \
        type result = real arguments;                                                              \
        if (ours && result != (failure)) {                                                         \
            gained;                                                                                \
            errno = SPOILED;                                                                       \
        }                                                                                          \
        return result;                                                                             \
    }

#define FAILING(type, name, params, arguments, errnum, failure, gained)                            \
    FAILING_WHEN(true, type, name, params, arguments, errnum, failure, gained)

/* The same for a function that does not fail: it only gives back. */
#define PASSING(type, name, params, arguments, gained)                                             \
    FAILING_WHEN(false, type, name, params, arguments, 0, -1, gained)

#define NOTHING (void)0

/* Memory. */
FAILING(void *, malloc, (size_t size), (size), ENOMEM, NULL, hold(MEMORY, 1))
FAILING(void *, calloc, (size_t n, size_t size), (n, size), ENOMEM, NULL, hold(MEMORY, 1))
FAILING(void *, realloc, (void *old, size_t size), (old, size), ENOMEM, NULL, hold(MEMORY, !old))
FAILING(char *, strdup, (const char *text), (text), ENOMEM, NULL, hold(MEMORY, 1))

void
free(void *memory)
{
    static void (*real)(void *);
    if (!real)
        find(&real, "free");
    if (memory && is_ours(__builtin_return_address(0)))
        hold(MEMORY, -1);
    real(memory);
}

/* Sockets. */
FAILING(int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE, -1,
    hold(DESCRIPTOR, 1))
FAILING(int, bind, (int fd, const void *to, unsigned len), (fd, to, len), EACCES, -1, NOTHING)
FAILING(int, listen, (int fd, int backlog), (fd, backlog), EACCES, -1, NOTHING)
FAILING(int, connect, (int fd, const void *to, unsigned len), (fd, to, len), EAGAIN, -1, NOTHING)
FAILING(int, accept4, (int fd, void *from, void *len, int flags), (fd, from, len, flags), EMFILE,
    -1, hold(DESCRIPTOR, 1))
FAILING(int, setsockopt, (int fd, int level, int option, const void *value, unsigned len),
    (fd, level, option, value, len), ENOBUFS, -1, NOTHING)
FAILING(int, getsockopt, (int fd, int level, int option, void *value, void *len),
    (fd, level, option, value, len), ENOBUFS, -1, NOTHING)
FAILING(int, getsockname, (int fd, void *to, void *len), (fd, to, len), ENOBUFS, -1, NOTHING)
FAILING(int, getpeername, (int fd, void *to, void *len), (fd, to, len), ENOBUFS, -1, NOTHING)
FAILING(ssize_t, recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags),
    ECONNRESET, -1, NOTHING)
FAILING(ssize_t, send, (int fd, const void *data, size_t len, int flags), (fd, data, len, flags),
    EPIPE, -1, NOTHING)
FAILING(ssize_t, sendmsg, (int fd, const void *message, int flags), (fd, message, flags), EPIPE, -1,
    NOTHING)

/* Waiting. */
FAILING(int, epoll_create1, (int flags), (flags), EMFILE, -1, hold(DESCRIPTOR, 1))
FAILING_WHEN(what == ADD, int, epoll_ctl, (int epoll, int what, int fd, void *event),
    (epoll, what, fd, event), ENOSPC, -1, NOTHING)
FAILING(int, epoll_wait, (int epoll, void *events, int most, int ms), (epoll, events, most, ms),
    EINTR, -1, NOTHING)
FAILING(int, epoll_pwait2,
    (int epoll, void *events, int most, const void *timeout, const void *mask),
    (epoll, events, most, timeout, mask), EINTR, -1, NOTHING)
FAILING(int, poll, (void *fds, unsigned long n, int ms), (fds, n, ms), ENOMEM, -1, NOTHING)
FAILING(int, ppoll, (void *fds, unsigned long n, const void *timeout, const void *mask),
    (fds, n, timeout, mask), ENOMEM, -1, NOTHING)
FAILING(int, timer_create, (int clock, void *event, void *ret), (clock, event, ret), EAGAIN, -1,
    NOTHING)

/* What every program does once, when it begins: only by name, or each sweep would try it again. */
FAILING_WHEN(name_wanted[0] != '\0', int, sigaction, (int number, const void *to, void *old),
    (number, to, old), EINVAL, -1, NOTHING)
FAILING_WHEN(name_wanted[0] != '\0', int, getrlimit64, (int what, void *ret), (what, ret), EINVAL,
    -1, NOTHING)
FAILING_WHEN(name_wanted[0] != '\0', int, setrlimit64, (int what, const void *to), (what, to),
    EPERM, -1, NOTHING)
FAILING_WHEN(name_wanted[0] != '\0', int, prctl,
    (int what, unsigned long a, unsigned long b, unsigned long c, unsigned long d),
    (what, a, b, c, d), EINVAL, -1, NOTHING)
FAILING_WHEN(name_wanted[0] != '\0', int, sched_setaffinity,
    (int process, size_t size, const void *set), (process, size, set), EPERM, -1, NOTHING)

/* These two return the error. */
int clock_nanosleep(int clock, int flags, const void *until, void *left);
int
clock_nanosleep(int clock, int flags, const void *until, void *left)
{
    static int (*real)(int, int, const void *, void *);
    if (!real)
        find(&real, "clock_nanosleep");
    if (is_ours(__builtin_return_address(0)) && fails("clock_nanosleep", EINTR))
        return failed_errno;
    return real(clock, flags, until, left);
}

int pthread_create(void *ret, const void *attributes, void *(*run)(void *), void *argument);
int
pthread_create(void *ret, const void *attributes, void *(*run)(void *), void *argument)
{
    static int (*real)(void *, const void *, void *(*)(void *), void *);
    if (!real)
        find(&real, "pthread_create");
    if (is_ours(__builtin_return_address(0)) && fails("pthread_create", EAGAIN))
        return failed_errno;
    return real(ret, attributes, run, argument);
}

/* Files. With meson's 64-bit offsets the names end in 64. */
int open64(const char *path, int flags, ...);
int
open64(const char *path, int flags, ...)
{
    static int (*real)(const char *, int, ...);
    int mode = 0;
    if (flags & CREATE) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, int);
        va_end(arguments);
    }
    bool ours = is_ours(__builtin_return_address(0));
    if (!real)
        find(&real, "open64");
    if (ours && fails("open64", EMFILE))
        return -1;
    int fd = real(path, flags, mode);
    if (ours && fd >= 0) {
        hold(DESCRIPTOR, 1);
        errno = SPOILED;
    }
    return fd;
}

/* Whatever close(2) returns, the descriptor is closed. */
int
close(int fd)
{
    static int (*real)(int);
    if (!real)
        find(&real, "close");
    if (!is_ours(__builtin_return_address(0)))
        return real(fd);
    int result = real(fd);
    if (result == 0)
        hold(DESCRIPTOR, -1);
    if (fails("close", EIO))
        return -1;
    errno = result == 0 ? SPOILED : errno;
    return result;
}

FAILING(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size), EIO, -1, NOTHING)
FAILING(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len), EIO, -1, NOTHING)
FAILING(ssize_t, writev, (int fd, const void *parts, int n), (fd, parts, n), EIO, -1, NOTHING)
FAILING(FILE *, fopen64, (const char *path, const char *mode), (path, mode), EMFILE, NULL, NOTHING)
FAILING(int, signalfd, (int fd, const void *set, int flags), (fd, set, flags), EMFILE, -1,
    hold(DESCRIPTOR, 1))
FAILING(int, fstat64, (int fd, void *ret), (fd, ret), ENOMEM, -1, NOTHING)
FAILING(int, lstat64, (const char *path, void *ret), (path, ret), ENOMEM, -1, NOTHING)
FAILING(int, renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
    (from_fd, from, to_fd, to, flags), EINVAL, -1, NOTHING)
FAILING(int, unlink, (const char *path), (path), EROFS, -1, NOTHING)

/* ZeroMQ. */
FAILING(void *, zmq_ctx_new, (void), (), EMFILE, NULL, hold(OBJECT, 1))
FAILING(int, zmq_ctx_term, (void *ctx), (ctx), EINTR, -1, hold(OBJECT, -1))
FAILING(void *, zmq_socket, (void *ctx, int type), (ctx, type), EMFILE, NULL, hold(OBJECT, 1))
PASSING(int, zmq_close, (void *socket), (socket), hold(OBJECT, -1))
FAILING(int, zmq_setsockopt, (void *socket, int option, const void *value, size_t len),
    (socket, option, value, len), EINVAL, -1, NOTHING)
FAILING(int, zmq_getsockopt, (void *socket, int option, void *value, size_t *len),
    (socket, option, value, len), EINVAL, -1, NOTHING)
FAILING_WHEN(url != NULL, int, zmq_socket_monitor, (void *socket, const char *url, int events),
    (socket, url, events), EINVAL, -1, NOTHING)
FAILING(int, zmq_bind, (void *socket, const char *url), (socket, url), EADDRNOTAVAIL, -1, NOTHING)
FAILING(
    int, zmq_connect, (void *socket, const char *url), (socket, url), EPROTONOSUPPORT, -1, NOTHING)
FAILING(int, zmq_disconnect, (void *socket, const char *url), (socket, url), ENOENT, -1, NOTHING)
FAILING(int, zmq_send, (void *socket, const void *data, size_t len, int flags),
    (socket, data, len, flags), ENOTSUP, -1, NOTHING)
FAILING(int, zmq_msg_recv, (void *message, void *socket, int flags), (message, socket, flags),
    EFAULT, -1, NOTHING)

/* nanomsg and NNG: the same functions. */
FAILING(int, nn_socket, (int domain, int protocol), (domain, protocol), EMFILE, -1, hold(OBJECT, 1))
PASSING(int, nn_close, (int socket), (socket), hold(OBJECT, -1))
FAILING(int, nn_setsockopt, (int socket, int level, int option, const void *value, size_t len),
    (socket, level, option, value, len), ENOPROTOOPT, -1, NOTHING)
FAILING(int, nn_getsockopt, (int socket, int level, int option, void *value, size_t *len),
    (socket, level, option, value, len), ENOPROTOOPT, -1, NOTHING)
FAILING(int, nn_bind, (int socket, const char *url), (socket, url), EADDRNOTAVAIL, -1, NOTHING)
FAILING(int, nn_connect, (int socket, const char *url), (socket, url), EPROTONOSUPPORT, -1, NOTHING)
FAILING(int, nn_shutdown, (int socket, int endpoint), (socket, endpoint), EINVAL, -1, NOTHING)
FAILING(uint64_t, nn_get_statistic, (int socket, int which), (socket, which), EBADF, (uint64_t)-1,
    NOTHING)
FAILING(int, nn_send, (int socket, const void *data, size_t len, int flags),
    (socket, data, len, flags), ENOMEM, -1, hold(MESSAGE, -(len == WHOLE_MESSAGE)))
FAILING(int, nn_recv, (int socket, void *to, size_t len, int flags), (socket, to, len, flags),
    ENOMEM, -1, hold(MESSAGE, len == WHOLE_MESSAGE))
FAILING(int, nn_recvmsg, (int socket, void *head, int flags), (socket, head, flags), ENOMEM, -1,
    hold(MESSAGE, 1))
FAILING(int, nn_poll, (void *fds, int n, int ms), (fds, n, ms), ENOMEM, -1, NOTHING)
FAILING(void *, nn_allocmsg, (size_t size, int type), (size, type), ENOMEM, NULL, hold(MESSAGE, 1))
PASSING(int, nn_freemsg, (void *message), (message), hold(MESSAGE, -1))

/* Begins to count; spec is as in FAIL, and NULL ends the counting. */
void
failing_arm(const char *spec)
{
    armed = false;
    if (!spec)
        return;
    const char *colon = strchr(spec, ':');
    size_t len = colon ? (size_t)(colon - spec) : 0;
    if (len >= sizeof(name_wanted))
        len = sizeof(name_wanted) - 1;
    memcpy(name_wanted, spec, len);
    name_wanted[len] = '\0';
    char *end;
    number_wanted = strtol(colon ? colon + 1 : spec, &end, 10);
    errno_wanted = 0;
    for (int i = 1; *end == ':' && i < 200; i++) {
        const char *known = strerrorname_np(i);
        if (known && strcmp(known, end + 1) == 0)
            errno_wanted = i;
    }
    made = 0;
    failed = NULL;
    failed_errno = 0;
    armed = true;
}

/*
 * Members of a JSON object: the function that failed and its errno, which are empty if none has;
 * the calls counted since failing_arm(); what the program holds.
 */
const char *
failing_report(void)
{
    static char text[256];
    (void)snprintf(text, sizeof(text),
        "\"function\":\"%s\",\"failed\":\"%s\",\"made\":%ld,\"held\":{\"memory\":%ld,"
        "\"descriptors\":%ld,\"messages\":%ld,\"objects\":%ld}",
        failed ? failed : "", failed ? strerrorname_np(failed_errno) : "", made, held[MEMORY],
        held[DESCRIPTOR], held[MESSAGE], held[OBJECT]);
    return text;
}

/* The first object that ld.so(8) names is the program. */
static int
note_program(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X)) {
            code_begin = info->dlpi_addr + part->p_vaddr;
            code_end = code_begin + part->p_memsz;
        }
    }
    return 1;
}

__attribute__((constructor)) static void
begin(void)
{
    (void)dl_iterate_phdr(note_program, NULL);
    failing_arm(getenv("FAIL"));
}

__attribute__((destructor)) static void
end(void)
{
    write_report();
}

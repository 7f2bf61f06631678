/*
 * What the tap costs: the same client and server with and without the tap
 * between them, interleaved, medians of several rounds. Round trips are of 64
 * bytes with everything on one processor, so that no halted one is woken;
 * streams are measured there and with the scheduler free to place the three. The
 * tap's own processor time, per round trip or gigabyte, is the figure that other
 * work on the machine disturbs least.
 *
 * usage: tap-bench PATH_OF_TAP [ROUNDS]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE = 64,
    TRIPS = 20000,
    CHUNK = 256 * 1024,
    ROUNDS_MAX = 99,
    WAYS = 3,
};

#define STREAM_BYTES (INT64_C(2) << 30)

static const char *const ways[WAYS] = {"direct", "tap", "tap --record"};
static char chunk[CHUNK];
static char folder[] = "/tmp/tap-bench-XXXXXX";

static void
die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static double
seconds(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        die("clock_gettime");
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* cpu < 0: all that there were at the start. */
static void
place(int cpu)
{
    static cpu_set_t all;
    cpu_set_t one;

    if (CPU_COUNT(&all) == 0 && sched_getaffinity(0, sizeof(all), &all) < 0)
        die("sched_getaffinity");
    CPU_ZERO(&one);
    if (cpu >= 0)
        CPU_SET((size_t)cpu, &one);
    if (sched_setaffinity(0, sizeof(one), cpu >= 0 ? &one : &all) < 0)
        die("sched_setaffinity");
}

/* tcp://127.0.0.1:PORT or ipc:///path, as the tap prints it. */
static socklen_t
address(struct sockaddr_storage *ret, const char *url)
{
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    struct sockaddr_un *un = (struct sockaddr_un *)ret;

    memset(ret, 0, sizeof(*ret));
    if (strncmp(url, "ipc://", 6) == 0) {
        un->sun_family = AF_UNIX;
        (void)snprintf(un->sun_path, sizeof(un->sun_path), "%s", url + 6);
        return sizeof(*un);
    }
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in->sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
    return sizeof(*in);
}

static void
tune(int fd)
{
    int one = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 && errno != EOPNOTSUPP)
        die("TCP_NODELAY");
}

/* Echoes or swallows, by a connection's first byte; one connection after the other. */
static void
serve(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char kind;
        ssize_t n;

        if (fd < 0 || read(fd, &kind, 1) != 1)
            exit(EXIT_FAILURE);
        tune(fd);
        if (kind == 'e') {
            while ((n = read(fd, chunk, MESSAGE)) > 0)
                if (write(fd, chunk, (size_t)n) != n)
                    break;
        } else {
            while ((n = read(fd, chunk, CHUNK)) > 0)
                ;
            (void)!write(fd, "!", 1); /* if it fails, the client sees it */
        }
        (void)close(fd);
    }
}

/* Starts a server and writes its address to url. */
static pid_t
start_server(char *url, size_t size, bool local)
{
    struct sockaddr_storage at;
    socklen_t len;
    pid_t pid;
    int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM, 0);

    if (local)
        (void)snprintf(url, size, "ipc://%s/server", folder);
    else
        (void)snprintf(url, size, "tcp://127.0.0.1:0");
    len = address(&at, url);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 16) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        die("server");
    if (!local)
        (void)snprintf(
            url, size, "tcp://127.0.0.1:%d", ntohs(((struct sockaddr_in *)&at)->sin_port));
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        serve(fd);
    (void)close(fd);
    return pid;
}

/* Starts the tap before the server and replaces url by the tap's address. */
static pid_t
start_tap(const char *path, char *url, size_t size, bool record)
{
    char ready[512] = "";
    char front[128];
    int pipes[2];
    char *at;
    pid_t pid;

    if (pipe(pipes) < 0)
        die("pipe");
    if (strncmp(url, "ipc", 3) == 0)
        (void)snprintf(front, sizeof(front), "ipc://%s/tap", folder);
    else
        (void)snprintf(front, sizeof(front), "tcp://127.0.0.1:0");
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        if (dup2(pipes[1], STDOUT_FILENO) < 0 || freopen("/dev/null", "r", stdin) == NULL)
            die("dup2");
        (void)execl(path, path, "-l", front, "-c", url, record ? "-r" : NULL, "/dev/null", NULL);
        die(path);
    }
    (void)close(pipes[1]);
    if (read(pipes[0], ready, sizeof(ready) - 1) <= 0) /* the first line comes in one piece */
        die("tap");
    (void)close(pipes[0]);
    at = strstr(ready, "\"listen\":\"");
    if (at == NULL)
        die(ready);
    (void)snprintf(url, size, "%.*s", (int)strcspn(at + 10, "\""), at + 10);
    return pid;
}

static int
dial(const char *url, char kind)
{
    struct sockaddr_storage at;
    socklen_t len = address(&at, url);
    int fd = socket(at.ss_family, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&at, len) < 0 || write(fd, &kind, 1) != 1)
        die(url);
    tune(fd);
    return fd;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(double *of, size_t n)
{
    qsort(of, n, sizeof(*of), compare);
    return of[n / 2];
}

/* The median round trip, in microseconds. */
static double
trips(const char *url)
{
    static double took[TRIPS];
    int fd = dial(url, 'e');

    for (int i = 0; i < TRIPS; i++) {
        double start = seconds();

        if (write(fd, chunk, MESSAGE) != MESSAGE || read(fd, chunk, MESSAGE) != MESSAGE)
            die("round trip");
        took[i] = (seconds() - start) * 1e6;
    }
    (void)close(fd);
    return median(took, TRIPS);
}

/* Gigabytes per second, up to the server's having read all. */
static double
stream(const char *url)
{
    double start = seconds();
    int fd = dial(url, 's');
    int64_t sent = 0;

    while (sent < STREAM_BYTES) {
        ssize_t n = write(fd, chunk, CHUNK);

        if (n <= 0)
            die("stream");
        sent += n;
    }
    if (shutdown(fd, SHUT_WR) < 0 || read(fd, chunk, 1) != 1)
        die("stream");
    (void)close(fd);
    return (double)sent / 1e9 / (seconds() - start);
}

/* Ends a process and returns the processor time that it took, in seconds. */
static double
stop(pid_t pid)
{
    struct rusage used;

    (void)kill(pid, SIGTERM);
    if (wait4(pid, NULL, 0, &used) < 0)
        die("wait4");
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
        1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void
compare_ways(const char *path, bool local, int cpu, int rounds, const char *unit,
    double (*measure)(const char *url))
{
    double results[WAYS][ROUNDS_MAX];
    double used[WAYS][ROUNDS_MAX] = {{0}};
    double per = measure == trips ? 1e6 / TRIPS : 1e9 / (double)STREAM_BYTES;

    place(cpu);
    for (int round = 0; round < rounds; round++)
        for (int way = 0; way < WAYS; way++) {
            char url[128];
            pid_t server = start_server(url, sizeof(url), local);
            pid_t tap = way == 0 ? 0 : start_tap(path, url, sizeof(url), way == 2);

            results[way][round] = measure(url);
            if (tap != 0)
                used[way][round] = per * stop(tap);
            (void)stop(server);
            if (local) {
                char file[64];

                (void)snprintf(file, sizeof(file), "%s/server", folder);
                (void)unlink(file);
            }
        }
    printf("%-4s %-14s %-5s", local ? "ipc" : "tcp", cpu < 0 ? "any processor" : "one processor",
        unit);
    for (int way = 0; way < WAYS; way++) {
        double middle = median(results[way], (size_t)rounds);

        printf(
            "  %s %.2f (%.2f-%.2f)", ways[way], middle, results[way][0], results[way][rounds - 1]);
        if (way > 0)
            printf(" [%.2f]", median(used[way], (size_t)rounds));
    }
    printf("\n");
    (void)fflush(stdout);
}

int
main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : 5;

    if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: tap-bench PATH_OF_TAP [ROUNDS]\n");
        return 2;
    }
    if (mkdtemp(folder) == NULL)
        die(folder);
    printf("%d rounds, %d round trips of %d bytes, streams of %.1f GB\n"
           "median (least-most) [processor time of the tap, us per trip or s per GB]\n",
        rounds, TRIPS, MESSAGE, (double)STREAM_BYTES / 1e9);
    for (int local = 0; local < 2; local++) {
        compare_ways(argv[1], local, 0, rounds, "us", trips);
        compare_ways(argv[1], local, 0, rounds, "GB/s", stream);
        compare_ways(argv[1], local, -1, rounds, "GB/s", stream);
    }
    (void)rmdir(folder);
    return EXIT_SUCCESS;
}

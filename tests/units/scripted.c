/* See scripted.h. The program runs in a child, since it exits, and keeps its state for itself. */
#include "scripted.h"

#include "clock.h"
#include "pattern.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WORDS_MAX = 16, /* of a command line */
    STEPS_MAX = 5000,
    READINGS_MAX = 100000, /* of the clock: a program that makes more does not end */
    RUNS_ON = 99, /* the exit status then */
};

struct told *told;
int input = -1;
static const char *input_text; /* NULL: none */
static bool input_stays; /* open, for steps */
static int input_writer; /* in the child alone, so that its close is the end */
static const struct step *script;
static int taken[STEPS_MAX]; /* how often each step was */
static int64_t now = BEGIN_US * (int64_t)CLOCK_US;
static unsigned readings;
static unsigned char received[4096];
static struct message last; /* what req has sent, in `bytes` */
static unsigned char bytes[4096];

static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
    va_list args;
    if (++told->calls_number > CALLS_MAX)
        _exit(RUNS_ON);
    va_start(args, format);
    size_t room = sizeof(told->calls) - told->calls_len;
    int n = vsnprintf(told->calls + told->calls_len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        _exit(RUNS_ON);
    told->calls_len += (size_t)n;
}

/* The step for a call, after its time; NULL: the script has none. */
static const struct step *
take(const char *call)
{
    for (int i = 0; script[i].call; i++) {
        const struct step *step = &script[i];
        if (strcmp(step->call, call) != 0 || taken[i] >= (step->times > 0 ? step->times : 1))
            continue;
        taken[i]++;
        now += step->us * (int64_t)CLOCK_US;
        if (step->stop)
            (void)raise(SIGTERM);
        if (step->input && step->input[0] == '\0')
            (void)close(input_writer);
        else if (step->input && write(input_writer, step->input, strlen(step->input)) < 0)
            _exit(RUNS_ON);
        return step;
    }
    return NULL;
}

/* 0, or -1 with the errno of the step. */
static int
result_of(const struct step *step)
{
    if (!step)
        return 0;
    errno = step->errnum != 0 ? step->errnum : step->leaves;
    return step->errnum != 0 ? -1 : 0;
}

int64_t
clock_now(void)
{
    if (++readings > READINGS_MAX)
        _exit(RUNS_ON);
    return now;
}

static int
wait_until(const char *call, int64_t until)
{
    const struct step *step = take(call);
    if (!step && until > now)
        now = until;
    return result_of(step);
}

int
clock_sleep(int64_t until)
{
    note("sleep %lld\n", (long long)(until / CLOCK_US));
    return wait_until("sleep", until);
}

/* What process.c asks about the standard streams; the C library's own is pselect() with other
 * types. */
int
select(int n, fd_set *reading, fd_set *writing, fd_set *except, struct timeval *limit)
{
    struct timespec timeout = {0};
    const struct step *step = take(reading ? "input" : "output");
    if (step)
        return result_of(step);
    if (limit)
        timeout = (struct timespec){limit->tv_sec, limit->tv_usec * 1000};
    return pselect(n, reading, writing, except, limit ? &timeout : NULL, NULL);
}

static int
open_handle(void *handle, const char *url, const struct tuning *tuning)
{
    static int opened; /* what a handle points to */
    (void)snprintf(told->opened, sizeof(told->opened), "%s %d %d %zu", url, tuning->timeout_ms,
        tuning->queue, tuning->message_max);
    int result = result_of(take("open"));
    if (result == 0)
        memcpy(handle, &(void *){&opened}, sizeof(void *));
    return result;
}

static int
send_message(const void *data, size_t len)
{
    static const char *const kinds[] = {"", "request", "reply", "event", "error"};
    struct message message;
    if (len > sizeof(bytes))
        _exit(RUNS_ON);
    memcpy(bytes, data, len);
    if (message_decode(&message, bytes, len) < 0) {
        note("send what is no message\n");
    } else {
        last = message;
        note("send %s %llu at %llu %.*s%s%.*s\n", kinds[message.kind],
            (unsigned long long)message.sequence, (unsigned long long)(message.sent / CLOCK_US),
            (int)message.topic_len, message.topic, message.topic_len > 0 ? " " : "",
            (int)message.body_len, (const char *)message.body);
    }
    return result_of(take("send"));
}

static ssize_t
receive(const void **data, bool echoes)
{
    note("recv\n");
    const struct step *step = take("recv");
    if (!step && !echoes) {
        (void)raise(SIGTERM);
        errno = EINTR;
        return -1;
    }
    if (result_of(step) < 0)
        return -1;
    *data = received;
    if (step && step->message.kind == 0 && (step->raw || !echoes)) {
        if (step->raw_len > 0)
            memcpy(received, step->raw, step->raw_len);
        return (ssize_t)step->raw_len;
    }
    struct message message = step && step->message.kind != 0 ? step->message : last;
    if (!step || step->message.kind == 0)
        message.kind = MESSAGE_REPLY;
    return message_encode(&message, received, sizeof(received));
}

static void
close_handle(const void *handle)
{
    note(handle ? "close\n" : "close nothing\n");
}

/* The panel: see pattern.h. */

int
req_open(struct req **ret, const char *url, const struct tuning *tuning)
{
    return open_handle(ret, url, tuning);
}

int
req_send(struct req *req, const void *data, size_t len)
{
    (void)req;
    return send_message(data, len);
}

ssize_t
req_recv(struct req *req, const void **data)
{
    (void)req;
    return receive(data, true);
}

void
req_close(struct req *req)
{
    close_handle(req);
}

int
rep_open(struct rep **ret, const char *url, const struct tuning *tuning)
{
    return open_handle(ret, url, tuning);
}

ssize_t
rep_recv(struct rep *rep, const void **data)
{
    (void)rep;
    return receive(data, false);
}

int
rep_send(struct rep *rep, const void *data, size_t len)
{
    (void)rep;
    return send_message(data, len);
}

void
rep_close(struct rep *rep)
{
    close_handle(rep);
}

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    return open_handle(ret, url, tuning);
}

int
pub_send(struct pub *pub, const void *data, size_t len)
{
    (void)pub;
    return send_message(data, len);
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    (void)pub;
    note("idle %lld\n", (long long)(until_ns / CLOCK_US));
    return wait_until("idle", until_ns);
}

void
pub_close(struct pub *pub)
{
    close_handle(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    return open_handle(ret, url, tuning);
}

int
sub_subscribe(struct sub *sub, const void *prefix, size_t len)
{
    (void)sub;
    note("subscribe %.*s\n", (int)len, (const char *)prefix);
    return result_of(take("subscribe"));
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    (void)sub;
    return receive(data, false);
}

void
sub_close(struct sub *sub)
{
    close_handle(sub);
}

/* The test's hand. */

void
give_input(const char *text)
{
    input_text = text;
}

void
open_input(void)
{
    input_text = "";
    input_stays = true;
}

static void
read_back(FILE *file, char *text, size_t size)
{
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
}

static void __attribute__((noreturn)) be_the_program(char **words, FILE *output, FILE *errors)
{
    static char *argv[WORDS_MAX + 1]; /* the options point into it */
    int argc = 0;
    argv[argc++] = "program";
    argv[argc++] = "-u";
    argv[argc++] = "tcp://127.0.0.1:5555";
    while (*words && argc < WORDS_MAX)
        argv[argc++] = *words++;
    int ends[2] = {input, -1};
    if (input_text) {
        if (pipe(ends) < 0 || write(ends[1], input_text, strlen(input_text)) < 0)
            _exit(RUNS_ON);
        input_writer = ends[1];
        if (!input_stays)
            (void)close(input_writer);
    }
    (void)dup2(fileno(output), STDOUT_FILENO);
    (void)dup2(fileno(errors), STDERR_FILENO);
    (void)close(STDIN_FILENO); /* without any, the program opens /dev/null */
    if (ends[0] >= 0)
        (void)dup2(ends[0], STDIN_FILENO);
    exit(program_main(argc, argv));
}

int
run(char **words, const struct step *steps)
{
    size_t size = sizeof(*told);
    int status;
    if (!told)
        told = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(told != MAP_FAILED);
    memset(told, 0, size);
    script = steps;
    FILE *output = tmpfile(), *errors = tmpfile();
    assert_true(output && errors);
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        be_the_program(words, output, errors);
    if (input >= 0)
        (void)close(input);
    input = -1;
    input_text = NULL;
    input_stays = false;
    assert_int_equal(waitpid(child, &status, 0), child);
    read_back(output, told->output, sizeof(told->output));
    read_back(errors, told->errors, sizeof(told->errors));
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

long long
figure(const char *name)
{
    char member[40];
    const char *summary = strstr(told->output, "{\"event\":\"summary\"");
    (void)snprintf(member, sizeof(member), "\"%s\":", name);
    const char *at = summary ? strstr(summary, member) : NULL;
    assert_non_null(at);
    return strtoll(at + strlen(member), NULL, 10);
}

unsigned
called(const char *word)
{
    unsigned n = 0;
    for (const char *line = told->calls; *line; line = strchr(line, '\n') + 1)
        n += strncmp(line, word, strlen(word)) == 0;
    return n;
}

void
expect_how_input_ends(const char *name)
{
    for (int counted = 0; counted < 3; counted++) { /* without -n, with -n 0, with -n 3 */
        char *words[] = {"--json", "-", counted ? "-n" : NULL, counted == 1 ? "0" : "3", NULL};
        give_input("one\ntwo\n");
        assert_int_equal(run(words, SCRIPT({0})), counted == 2);
        assert_int_equal(figure(name), 2);
        assert_int_equal(
            strstr(told->errors, "standard input ended before -n") != NULL, counted == 2);
    }
    input = open("/", O_RDONLY);
    assert_int_equal(run(WORDS("--json", "-"), SCRIPT({0})), 1);
    assert_string_equal(told->calls, "close\n");
    assert_non_null(strstr(told->errors, "cannot read standard input: Is a directory"));
}

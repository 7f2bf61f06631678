/*
 * Two threads send on one socket at the same time, each its own letter; another process receives.
 * Over TCP, with the library's defaults.
 *
 *   two-threads-PANEL URL [twice|lock]
 *
 * twice (plain sockets and ZeroMQ): each message in two sends, a head and a body; lock: the same,
 * and a mutex around each message. Says how many messages came, and in how many the letters are
 * mixed.
 */
#include "two_ends.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
#if defined(WITH_ZMQ)
    MESSAGES = 100 * 1000, /* of each thread; a send takes far less than a system call */
#else
    MESSAGES = 5000,
#endif
    LIMIT_MS = 3000, /* nothing more comes */
};

static bool twice, locked;
static pthread_barrier_t start;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* One message, in two sends if that is asked for. */
static int
put(const char *message)
{
    if (!twice)
        return pair_put(message, 1);
#if defined(WITH_ZMQ)
    int sent = zmq_send(pair, message, SIZE / 2, ZMQ_SNDMORE);
    return sent < 0 ? -1 : zmq_send(pair, message, SIZE / 2, 0);
#elif defined(WITH_NN)
    return -1; /* a message has no parts */
#else
    ssize_t sent = send(pair, message, SIZE / 2, 0);
    return sent < 0 ? -1 : (int)send(pair, message, SIZE / 2, 0);
#endif
}

/* One message, of two parts in ZeroMQ if it was sent in two. Whether it came whole. */
static bool
get(char *message)
{
#if defined(WITH_ZMQ)
    if (twice)
        return pair_get(message, LIMIT_MS) == SIZE / 2 &&
            zmq_recv(pair, message + SIZE / 2, SIZE / 2, 0) == SIZE / 2;
#endif
    return pair_get(message, LIMIT_MS) == SIZE;
}

static void *
sender(void *letter)
{
    char message[SIZE];
    memset(message, *(const char *)letter, SIZE);
    pthread_barrier_wait(&start); /* both begin together */
    for (int i = 0, result = 0; i < MESSAGES && result >= 0; i++) {
        if (locked)
            pthread_mutex_lock(&lock);
        result = put(message);
        if (locked)
            pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static int
receive(const char *url)
{
    char message[SIZE], whole[SIZE];
    int received = 0, mixed = 0;
    if (pair_open(url, 1) < 0)
        return 1;
    while (received < 2 * MESSAGES && get(message)) {
        memset(whole, message[0], SIZE);
        received++;
        mixed += memcmp(message, whole, SIZE) != 0;
    }
    printf("{\"event\":\"received\",\"messages\":%d,\"mixed\":%d}\n", received, mixed);
    fflush(stdout);
    _exit(0);
}

int
main(int argc, char **argv)
{
    pthread_t threads[2];
    if (argc < 2)
        return 2;
    twice = argc > 2;
    locked = argc > 2 && strcmp(argv[2], "lock") == 0;
    pid_t peer = fork(); /* before any socket: a library is not to be forked */
    if (peer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        return receive(argv[1]);
    }
    if (peer < 0 || pair_open(argv[1], 0) < 0)
        return 1;
    if (pthread_barrier_init(&start, NULL, 2) != 0 ||
        pthread_create(&threads[0], NULL, sender, "A") != 0 ||
        pthread_create(&threads[1], NULL, sender, "B") != 0)
        return 1;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    if (waitpid(peer, NULL, 0) < 0) /* the library's own thread goes on sending until then */
        return 1;
    _exit(0);
}

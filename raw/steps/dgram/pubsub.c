/*
 * Publish/subscribe over datagrams. There are no connections, so the publisher
 * cannot know that a subscriber has gone: a subscription is a lease. The
 * subscriber renews it each second, and the publisher forgets it after three.
 * The publisher sends each subscriber what it wants; what the kernel does not
 * take is lost, and nobody is told.
 *
 *     publisher's          message
 *     subscriber's         01 prefix, or 00 prefix to unsubscribe
 */
#include "pattern.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "sockaddr.h"

enum {
    DATAGRAM_MAX = 65507, /* bytes: UDP's, 65535 less the heads of IPv4 and UDP;
                             a UNIX socket keeps to it here, too */
    PREFIX_MAX = 1024, /* bytes of a prefix */
    SUBSCRIBERS_MAX = 4096, /* anybody may send a subscription */
    PREFIXES_MAX = 1024, /* of a subscriber */
    RENEW_MS = 1000, /* a subscriber says again what it wants */
    LEASE_MS = 3000, /* the publisher forgets what was not said again */
};

struct prefix {
    struct prefix *next;
    int64_t until; /* the end of its lease; CLOCK_NEVER: one's own */
    size_t len;
    unsigned char bytes[];
};

struct subscriber {
    struct sockaddr_any address;
    struct prefix *prefixes;
    size_t count; /* of prefixes */
};

struct pub {
    size_t max; /* bytes of a message */
    struct sockaddr_any address; /* bound; to be unlinked */
    int fd;
    struct subscriber *subscribers;
    size_t count; /* of subscribers */
};

struct sub {
    size_t max; /* bytes of a message */
    int timeout_ms;
    struct sockaddr_any publisher;
    int fd;
    struct prefix *prefixes;
    int64_t renew_at;
    unsigned char event[DATAGRAM_MAX]; /* lent to the caller */
};

static struct prefix *
prefix_find(struct prefix *list, const void *bytes, size_t len)
{
    while (list && (list->len != len || memcmp(list->bytes, bytes, len) != 0))
        list = list->next;
    return list;
}

static struct prefix *
prefix_add(struct prefix **list, const void *bytes, size_t len)
{
    struct prefix *p = malloc(sizeof(*p) + len);
    if (!p)
        return NULL;
    p->until = CLOCK_NEVER;
    p->len = len;
    memcpy(p->bytes, bytes, len);
    p->next = *list;
    *list = p;
    return p;
}

/* Returns whether the list had it. */
static bool
prefix_remove(struct prefix **list, const void *bytes, size_t len)
{
    while (*list &&
        ((*list)->len != len || memcmp((*list)->bytes, bytes, len) != 0))
        list = &(*list)->next;
    struct prefix *old = *list;
    if (!old)
        return false;
    *list = old->next;
    free(old);
    return true;
}

/* Returns whether data begins with one of them whose lease has not ended. */
static bool
prefix_match(
    const struct prefix *list, int64_t now, const void *data, size_t len)
{
    while (list &&
        (list->until < now || list->len > len ||
            memcmp(list->bytes, data, list->len) != 0))
        list = list->next;
    return list;
}

static void
prefix_clear(struct prefix **list)
{
    while (*list)
        (void)prefix_remove(list, (*list)->bytes, (*list)->len);
}

/* Whether two addresses are one. A UNIX socket's is as long as its name. */
static bool
same_address(const struct sockaddr_any *a, const struct sockaddr_any *b)
{
    return a->any.sa_family == b->any.sa_family && a->len == b->len &&
        memcmp(&a->any, &b->any, a->len) == 0;
}

static size_t
longest(const struct tuning *tuning)
{
    return tuning->message_max && tuning->message_max < DATAGRAM_MAX
        ? tuning->message_max
        : DATAGRAM_MAX;
}

/* Whether a path is a socket that nobody receives from any more (P8). */
static bool
is_stale(const struct sockaddr_any *address)
{
    struct stat status;
    if (address->any.sa_family != AF_UNIX ||
        lstat(address->un.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0)
        return false;
    bool stale =
        connect(fd, &address->any, address->len) < 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
}

int
pub_open(struct pub **ret, const char *url, const struct tuning *tuning)
{
    struct sockaddr_any address;
    struct pub *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return -1;
    pub->fd = -1;
    pub->max = longest(tuning);
    if (sockaddr_parse_datagram(&address, url) < 0)
        goto fail;
    pub->fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (pub->fd < 0)
        goto fail;
    if (is_stale(&address))
        (void)unlink(address.un.sun_path);
    if (bind(pub->fd, &address.any, address.len) < 0)
        goto fail;
    pub->address = address;
    *ret = pub;
    return 0;
fail:;
    int errnum = errno;
    pub_close(pub);
    errno = errnum;
    return -1;
}

/* The subscriber of this address, a new one if there is none. NULL: no room. */
static struct subscriber *
find_subscriber(struct pub *pub, const struct sockaddr_any *address)
{
    for (size_t i = 0; i < pub->count; i++) {
        if (same_address(&pub->subscribers[i].address, address))
            return &pub->subscribers[i];
    }
    if (pub->count == SUBSCRIBERS_MAX)
        return NULL;
    struct subscriber *subscribers =
        realloc(pub->subscribers, (pub->count + 1) * sizeof(*subscribers));
    if (!subscribers)
        return NULL;
    pub->subscribers = subscribers;
    subscribers[pub->count] = (struct subscriber){.address = *address};
    return &subscribers[pub->count++];
}

/* Removes the leases that have ended, and who has none left. */
static void
forget(struct pub *pub, int64_t now)
{
    for (size_t i = pub->count; i-- > 0;) {
        struct subscriber *subscriber = &pub->subscribers[i];
        struct prefix **link = &subscriber->prefixes;
        while (*link) {
            struct prefix *p = *link;
            if (p->until >= now) {
                link = &p->next;
                continue;
            }
            *link = p->next;
            free(p);
            subscriber->count--;
        }
        if (!subscriber->prefixes)
            *subscriber = pub->subscribers[--pub->count];
    }
}

/* Receives what subscribers say. Returns how many datagrams there were. */
static int
hear_subscribers(struct pub *pub)
{
    unsigned char text[1 + PREFIX_MAX];
    int64_t now = clock_now();
    int heard = 0;
    for (; heard < SUBSCRIBERS_MAX; heard++) {
        struct sockaddr_any sender = {.len = sizeof(sender.storage)};
        ssize_t n = recvfrom(
            pub->fd, text, sizeof(text), MSG_TRUNC, &sender.any, &sender.len);
        if (n < 0)
            break;
        if (n == 0 || (size_t)n > sizeof(text) || text[0] > 1)
            continue; /* no subscription of ours (P7) */
        struct subscriber *subscriber = find_subscriber(pub, &sender);
        if (!subscriber)
            continue;
        const unsigned char *bytes = text + 1;
        size_t len = (size_t)n - 1;
        struct prefix *p = prefix_find(subscriber->prefixes, bytes, len);
        if (text[0] == 0 && p) {
            (void)prefix_remove(&subscriber->prefixes, bytes, len);
            subscriber->count--;
        } else if (text[0] == 1) {
            if (!p && subscriber->count < PREFIXES_MAX &&
                (p = prefix_add(&subscriber->prefixes, bytes, len)))
                subscriber->count++;
            if (p)
                p->until = now + LEASE_MS * (int64_t)CLOCK_MS;
        }
    }
    forget(pub, now);
    return heard;
}

int
pub_send(struct pub *pub, const void *data, size_t len)
{
    if (len > pub->max) {
        errno = EMSGSIZE;
        return -1;
    }
    (void)hear_subscribers(pub);
    int64_t now = clock_now();
    for (size_t i = 0; i < pub->count; i++) {
        struct subscriber *subscriber = &pub->subscribers[i];
        /* What its socket has no room for is lost: P3. */
        if (prefix_match(subscriber->prefixes, now, data, len))
            (void)sendto(pub->fd, data, len, 0, &subscriber->address.any,
                subscriber->address.len);
    }
    return 0;
}

/* Waits for a datagram. ETIMEDOUT: none until then. */
static int
wait_for_datagram(int fd, int64_t deadline)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    int ready = poll(&polled, 1, clock_left_ms(deadline));
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 ? 0 : -1;
}

int
pub_idle(struct pub *pub, int64_t until_ns)
{
    (void)hear_subscribers(pub);
    while (wait_for_datagram(pub->fd, until_ns) == 0)
        (void)hear_subscribers(pub);
    return errno == ETIMEDOUT ? 0 : -1;
}

void
pub_close(struct pub *pub)
{
    if (!pub)
        return;
    if (pub->fd >= 0)
        (void)close(pub->fd); /* what was sent is the kernel's by now (P6) */
    if (pub->address.any.sa_family == AF_UNIX)
        (void)unlink(pub->address.un.sun_path);
    for (size_t i = 0; i < pub->count; i++)
        prefix_clear(&pub->subscribers[i].prefixes);
    free(pub->subscribers);
    free(pub);
}

int
sub_open(struct sub **ret, const char *url, const struct tuning *tuning)
{
    struct sockaddr_any address = {0};
    struct sub *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return -1;
    sub->fd = -1;
    sub->max = longest(tuning);
    sub->timeout_ms = tuning->timeout_ms ? tuning->timeout_ms : -1;
    if (sockaddr_parse_datagram(&sub->publisher, url) < 0)
        goto fail;
    address.any.sa_family = sub->publisher.any.sa_family;
    sub->fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (sub->fd < 0)
        goto fail;
    /* A UNIX socket has no address until it is bound, and nobody could send to
     * it. Bound to its family alone, it gets one from the kernel: unix(7). */
    if (address.any.sa_family == AF_UNIX &&
        bind(sub->fd, &address.any, sizeof(sa_family_t)) < 0)
        goto fail;
    *ret = sub;
    return 0;
fail:;
    int errnum = errno;
    sub_close(sub);
    errno = errnum;
    return -1;
}

/* Tells the publisher. If it is not there, the next renewal tells it (P4). */
static void
send_subscription(struct sub *sub, char what, const void *prefix, size_t len)
{
    unsigned char text[1 + PREFIX_MAX] = {(unsigned char)what};
    memcpy(text + 1, prefix, len);
    (void)sendto(
        sub->fd, text, 1 + len, 0, &sub->publisher.any, sub->publisher.len);
}

int
sub_subscribe(struct sub *sub, const void *prefix, size_t len)
{
    if (len > PREFIX_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    if (!prefix_add(&sub->prefixes, prefix, len))
        return -1;
    send_subscription(sub, 1, prefix, len);
    return 0;
}

int
sub_unsubscribe(struct sub *sub, const void *prefix, size_t len)
{
    if (prefix_remove(&sub->prefixes, prefix, len) &&
        !prefix_find(sub->prefixes, prefix, len))
        send_subscription(sub, 0, prefix, len);
    return 0;
}

static void
renew(struct sub *sub)
{
    for (const struct prefix *p = sub->prefixes; p; p = p->next)
        send_subscription(sub, 1, p->bytes, p->len);
    sub->renew_at = clock_deadline(RENEW_MS);
}

/* Whether a datagram came from the publisher, not from a stranger. */
static bool
is_publisher(const struct sub *sub, const struct sockaddr_any *sender)
{
    const struct sockaddr_any *publisher = &sub->publisher;
    if (sender->any.sa_family == AF_UNIX)
        return strncmp(sender->un.sun_path, publisher->un.sun_path,
                   sizeof(publisher->un.sun_path)) == 0;
    return same_address(sender, publisher);
}

ssize_t
sub_recv(struct sub *sub, const void **data)
{
    int64_t deadline = clock_deadline(sub->timeout_ms);
    for (;;) {
        if (clock_now() >= sub->renew_at)
            renew(sub);
        struct sockaddr_any sender = {.len = sizeof(sender.storage)};
        /* MSG_TRUNC: returns the whole length of one that is too long. */
        ssize_t n = recvfrom(sub->fd, sub->event, sizeof(sub->event), MSG_TRUNC,
            &sender.any, &sender.len);
        if (n >= 0 && is_publisher(sub, &sender) &&
            prefix_match(sub->prefixes, 0, sub->event, (size_t)n)) {
            *data = sub->event;
            errno = EMSGSIZE;
            return (size_t)n > sub->max ? -1 : n;
        }
        if (n >= 0)
            continue;
        bool again = sub->renew_at < deadline;
        if (wait_for_datagram(sub->fd, again ? sub->renew_at : deadline) < 0 &&
            (errno != ETIMEDOUT || !again))
            return -1;
    }
}

void
sub_close(struct sub *sub)
{
    if (!sub)
        return;
    if (sub->fd >= 0)
        (void)close(sub->fd); /* the publisher forgets it by and by */
    prefix_clear(&sub->prefixes);
    free(sub);
}

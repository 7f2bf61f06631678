/*
 * A capture in the classic pcap format with nanoseconds (draft-ietf-opsawg-pcap),
 * link type RAW: each packet begins with its IP header. TCP as in RFC 9293. A
 * packet acknowledges all that the other side has sent so far; the tap knows
 * nothing of the real acknowledgements, so pure ones are written only where a
 * window would overflow without.
 */
#include "pcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "clock.h"
#include "record.h"
#include "sockaddr.h"

enum {
    LINKTYPE_RAW = 101,
    SNAPLEN = 262144,
    IP4 = 20,
    IP6 = 40,
    TCP = 20,
    SYN_OPTIONS = 8,
    MSS = 65475, /* fits an IPv4 packet's 65535 bytes, and an IPv6 one's */
    WINDOW = 65535,
    WINDOW_SHIFT = 7,
    UNACKED_MAX = 1 << 20, /* the window is 65535 << 7 */
    SYNTHETIC_PORT = 50000, /* no dissector claims it */
    FIN = 0x01,
    SYN = 0x02,
    RST = 0x04,
    PSH = 0x08,
    ACK = 0x10,
};

struct pcap {
    FILE *file;
    uint32_t conns; /* so far: numbers for addresses and first sequence numbers */
};

struct pcap_side {
    unsigned char address[16];
    uint16_t port;
    uint32_t next; /* sequence number */
    uint32_t acked; /* by the other side, in a packet written */
    bool fin;
};

struct pcap_conn {
    struct pcap *pcap;
    size_t address_len; /* 4 or 16 */
    struct pcap_side side[2]; /* the client's, the server's */
    bool reset; /* nothing follows */
    bool invented; /* the addresses; as text: */
    char client[sizeof("tcp://127.255.255.255:65535")];
    char server[sizeof("tcp://127.255.255.255:65535")];
};

/* The Internet checksum, RFC 1071; bytes are summed in pairs, so only the last len may be odd. */
static uint64_t
sum(const unsigned char *p, size_t len, uint64_t start)
{
    for (; len > 1; p += 2, len -= 2)
        start += (uint64_t)(p[0] << 8 | p[1]);
    if (len > 0)
        start += (uint64_t)p[0] << 8;
    return start;
}

static uint16_t
folded(uint64_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

static unsigned char *
put_ip(unsigned char *p, const struct pcap_conn *conn, bool up, size_t tcp_len)
{
    unsigned char *start = p;
    size_t len = conn->address_len;
    if (len == 4) {
        p = put_u16(p, 0x4500);
        p = put_u16(p, (uint16_t)(IP4 + tcp_len));
        p = put_u32(p, 0x00004000); /* do not fragment */
        p = put_u32(p, 0x40060000); /* 64 hops, TCP, no checksum yet */
    } else {
        p = put_u32(p, 0x60000000);
        p = put_u16(p, (uint16_t)tcp_len);
        p = put_u16(p, 0x0640);
    }
    memcpy(p, conn->side[up ? 0 : 1].address, len);
    memcpy(p + len, conn->side[up ? 1 : 0].address, len);
    p += 2 * len;
    if (len == 4)
        put_u16(start + 10, folded(sum(start, IP4, 0)));
    return p;
}

/* One packet; len is at most MSS. */
static int
packet(
    struct pcap_conn *conn, bool up, uint64_t time_ns, unsigned flags, const void *data, size_t len)
{
    struct pcap_side *from = &conn->side[up ? 0 : 1];
    struct pcap_side *to = &conn->side[up ? 1 : 0];
    size_t options = flags & SYN ? SYN_OPTIONS : 0;
    size_t tcp_len = TCP + options + len;
    unsigned char head[16 + IP6 + TCP + SYN_OPTIONS];
    unsigned char *tcp = put_ip(head + 16, conn, up, tcp_len);
    unsigned char *p = put_u16(tcp, from->port);
    p = put_u16(p, to->port);
    p = put_u32(p, from->next);
    p = put_u32(p, flags & ACK ? to->next : 0);
    p = put_u16(p, (uint16_t)((TCP + options) / 4 << 12 | flags));
    p = put_u16(p, WINDOW);
    p = put_u32(p, 0); /* checksum, urgent */
    if (options > 0) {
        p = put_u32(p, 2 << 24 | 4 << 16 | MSS);
        p = put_u32(p, 1 << 24 | 3 << 16 | 3 << 8 | WINDOW_SHIFT);
    }
    const unsigned char *addresses = tcp - 2 * conn->address_len;
    uint64_t total = sum(addresses, 2 * conn->address_len, 6 + tcp_len);
    total = sum(tcp, (size_t)(p - tcp), total);
    put_u16(tcp + 16, folded(sum(data, len, total)));

    size_t head_len = (size_t)(p - head) - 16;
    uint32_t packet_len = (uint32_t)(head_len + len);
    unsigned char *record = put_u32(head, (uint32_t)(time_ns / CLOCK_S));
    record = put_u32(record, (uint32_t)(time_ns % CLOCK_S));
    put_u32(put_u32(record, packet_len), packet_len); /* as recorded, as sent: nothing is cut */
    from->next += (uint32_t)len + (flags & (SYN | FIN) ? 1 : 0);
    if (flags & ACK)
        to->acked = to->next;
    FILE *file = conn->pcap->file;
    if (fwrite(head, head_len + 16, 1, file) != 1 || (len > 0 && fwrite(data, len, 1, file) != 1))
        return -1;
    return 0;
}

int
pcap_create(struct pcap **ret, const char *path)
{
    struct pcap *pcap = calloc(1, sizeof(*pcap));
    if (!pcap)
        return -1;
    pcap->file = fopen(path, "wbe");
    if (!pcap->file) {
        free(pcap);
        return -1;
    }
    unsigned char head[24];
    unsigned char *p = put_u32(head, 0xa1b23c4d); /* with nanoseconds, big-endian */
    p = put_u32(p, 2 << 16 | 4); /* version 2.4 */
    p = put_u32(p, 0);
    p = put_u32(p, 0);
    p = put_u32(p, SNAPLEN);
    put_u32(p, LINKTYPE_RAW);
    if (fwrite(head, sizeof(head), 1, pcap->file) != 1) {
        (void)pcap_finish(pcap);
        return -1;
    }
    *ret = pcap;
    return 0;
}

/* Returns the bytes of the IP address in the URL; 0: it has none. */
static size_t
parse(struct pcap_side *side, const char *url)
{
    char plain[RECORD_NAME_MAX];
    const char *scope = strchr(url, '%');
    const char *after = scope ? strchr(scope, ']') : NULL;
    if (after && strlen(url) < sizeof(plain)) { /* fe80::1%eth0: a packet has no place for it */
        int before = (int)(scope - url);
        (void)snprintf(plain, sizeof(plain), "%.*s%s", before, url, after);
        url = plain;
    }
    struct sockaddr_any address;
    if (sockaddr_parse(&address, url) < 0 || address.any.sa_family == AF_UNIX)
        return 0;
    bool ipv4 = address.any.sa_family == AF_INET;
    const void *bytes = ipv4 ? (void *)&address.in.sin_addr : (void *)&address.in6.sin6_addr;
    size_t len = ipv4 ? sizeof(address.in.sin_addr) : sizeof(address.in6.sin6_addr);
    memcpy(side->address, bytes, len);
    side->port = ntohs(ipv4 ? address.in.sin_port : address.in6.sin6_port);
    return len;
}

/* ::ffff:1.2.3.4; RFC 4291, section 2.5.5.2 */
static void
map_to_ipv6(struct pcap_side *side)
{
    memmove(side->address + 12, side->address, 4);
    memset(side->address, 0, 10);
    memset(side->address + 10, 0xff, 2);
}

static void
invent(struct pcap_conn *conn, uint32_t number)
{
    uint32_t client = 0x7f010000 + (number & 0x7fffff); /* 127.1.0.1 and up */
    conn->address_len = 4;
    conn->invented = true;
    put_u32(conn->side[0].address, client);
    put_u32(conn->side[1].address, 0x7f000001);
    conn->side[0].port = SYNTHETIC_PORT + 1;
    conn->side[1].port = SYNTHETIC_PORT;
    (void)snprintf(conn->client, sizeof(conn->client), "tcp://127.%u.%u.%u:%d", client >> 16 & 255,
        client >> 8 & 255, client & 255, SYNTHETIC_PORT + 1);
    (void)snprintf(conn->server, sizeof(conn->server), "tcp://127.0.0.1:%d", SYNTHETIC_PORT);
}

int
pcap_open(struct pcap *pcap, struct pcap_conn **ret, const char *client, const char *server,
    uint64_t time_ns)
{
    struct pcap_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return -1;
    uint32_t number = ++pcap->conns;
    conn->pcap = pcap;
    size_t client_len = parse(&conn->side[0], client);
    size_t server_len = parse(&conn->side[1], server);
    conn->address_len = client_len > server_len ? client_len : server_len;
    if (client_len == 0 || server_len == 0)
        invent(conn, number);
    else if (client_len != server_len)
        map_to_ipv6(&conn->side[client_len < server_len ? 0 : 1]);
    conn->side[0].next = number * 1000;
    conn->side[1].next = number * 1000 + 500;
    if (packet(conn, true, time_ns, SYN, NULL, 0) < 0 ||
        packet(conn, false, time_ns, SYN | ACK, NULL, 0) < 0 ||
        packet(conn, true, time_ns, ACK, NULL, 0) < 0) {
        pcap_drop(conn);
        return -1;
    }
    *ret = conn;
    return 0;
}

bool
pcap_invented(struct pcap_conn *conn, const char **client, const char **server)
{
    *client = conn->client;
    *server = conn->server;
    return conn->invented;
}

int
pcap_data(struct pcap_conn *conn, bool up, uint64_t time_ns, const void *data, size_t len)
{
    const unsigned char *p = data;
    struct pcap_side *from = &conn->side[up ? 0 : 1];
    if (from->fin || conn->reset)
        return 0;
    while (len > 0) {
        size_t part = len < MSS ? len : MSS;
        if (packet(conn, up, time_ns, ACK | (part == len ? PSH : 0), p, part) < 0)
            return -1;
        p += part;
        len -= part;
        if (from->next - from->acked > UNACKED_MAX && packet(conn, !up, time_ns, ACK, NULL, 0) < 0)
            return -1;
    }
    return 0;
}

int
pcap_fin(struct pcap_conn *conn, bool up, uint64_t time_ns)
{
    struct pcap_side *from = &conn->side[up ? 0 : 1];
    if (from->fin || conn->reset)
        return 0;
    from->fin = true;
    if (packet(conn, up, time_ns, FIN | ACK, NULL, 0) < 0)
        return -1;
    /* the other side's last word acknowledges this one */
    return conn->side[up ? 1 : 0].fin ? packet(conn, !up, time_ns, ACK, NULL, 0) : 0;
}

int
pcap_reset(struct pcap_conn *conn, bool up, uint64_t time_ns)
{
    if (conn->reset)
        return 0;
    conn->reset = true;
    return packet(conn, up, time_ns, RST | ACK, NULL, 0);
}

void
pcap_drop(struct pcap_conn *conn)
{
    free(conn);
}

int
pcap_finish(struct pcap *pcap)
{
    if (!pcap)
        return 0;
    int failed = ferror(pcap->file);
    if (fclose(pcap->file) != 0)
        failed = 1;
    else if (failed)
        errno = EIO;
    free(pcap);
    return failed ? -1 : 0;
}

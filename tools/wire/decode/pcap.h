/*
 * Writes connections as a packet capture that Wireshark opens: the bytes and
 * times are the tap's, the TCP around them (handshake, sequence numbers, FIN,
 * RST, checksums) is made here. So UNIX sockets can be looked at too: each gets
 * loopback addresses of its own.
 *
 * All functions return 0 on success, -1 and errno on failure.
 */
#ifndef PCAP_H
#define PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pcap;
struct pcap_conn;

/* Creates or empties the file at path. */
int pcap_create(struct pcap **ret, const char *path);

/*
 * A new connection and its handshake. client and server are tcp://1.2.3.4:5,
 * tcp://[::1]:5, or anything else: then it gets addresses of its own.
 */
int pcap_open(struct pcap *pcap, struct pcap_conn **ret, const char *client, const char *server,
    uint64_t time_ns);

/*
 * Had it to make up addresses? Then these are they, as tcp://1.2.3.4:5, valid until pcap_drop. A
 * scope ("%1", "%eth0") has no place in a packet and is left out: that makes up nothing.
 */
bool pcap_invented(struct pcap_conn *conn, const char **client, const char **server);

/* up: from the client. Times are CLOCK_REALTIME nanoseconds. */
int pcap_data(struct pcap_conn *conn, bool up, uint64_t time_ns, const void *data, size_t len);
/* Once a side; more are ignored, and so is what damaged recordings have after an end or a reset. */
int pcap_fin(struct pcap_conn *conn, bool up, uint64_t time_ns);
int pcap_reset(struct pcap_conn *conn, bool up, uint64_t time_ns);

/* Frees it; writes nothing. Accepts NULL. */
void pcap_drop(struct pcap_conn *conn);

/* Writes what is buffered; frees pcap whatever happens. Accepts NULL. */
int pcap_finish(struct pcap *pcap);

#endif

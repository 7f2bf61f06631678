"""A server that listens and does not accept."""

from __future__ import annotations

from typing import Any

from lab.workbench import Observation, Workbench

THEME = "the lecture's sockets"
ORDER = 10
QUESTION = (
    '"The backlog is the number of clients that may wait; all others are refused," says the '
    "lecture. A server calls listen(fd, 2) and never accepts. How many clients connect, and "
    "what does the next one see?"
)
FIND = "listen queue accept SYN refused waiting clients full"
PREDICT = [
    "none connects before the server accepts",
    "2; the next is refused",
    "2; the next waits",
    "3; the next is refused",
    "3; the next waits",
]
PANELS = ["raw"]
TIMING = True
BACKLOG, ACCEPT_MS = 2, 200
EXPLANATION = """
The kernel makes the connection; accept() only hands out connections that exist already. So a client
of a server that does nothing is connected, and may even send. It cannot tell whether anybody has
accepted it. Linux lets one client more wait than the backlog says: the queue is full when it is
longer than the backlog, not when it is as long.

The next client is not refused. Over TCP the server's kernel drops its SYN without a word, and the
client's kernel repeats it after a second. So the connection takes that second even when a place is
free at once. A UNIX socket has no packets to lose: connect waits, and the kernel wakes it after the
next accept. A connect that may not wait fails with "Resource temporarily unavailable" on a UNIX
socket, and the attempt is over. Over TCP it fails with "Operation now in progress", and the attempt
goes on.

"Connection refused" means something else: nobody listens there. When the server closes its
listening socket, the kernel resets the connections that still wait in the queue.
"""
SOURCES = [
    "listen(2): the backlog argument; capped by /proc/sys/net/core/somaxconn",
    "connect(2), EAGAIN and EINPROGRESS; socket(7), SO_SNDTIMEO",
    "Linux: include/net/sock.h, sk_acceptq_is_full(); net/ipv4/tcp_input.c, tcp_conn_request()",
    "Linux: net/unix/af_unix.c, unix_recvq_full()",
    "RFC 6298, section 2: the first retransmission after one second",
]
TRY_NEXT = (
    "Connect to a raw-rep that is stopped (SIGSTOP). What do Recv-Q and Send-Q of ss -lnt mean?"
)
WORDS = {
    "waiting": "{} clients connect",
    "next": "the next one sees: {}",
    "sent": "one that waits sends {} bytes",
    "late_ms": "one that keeps trying is connected after {} ms",
    "server_gone": "the server closes; one that waited sees: {}",
    "nobody": "nobody listens any more; connect says: {}",
}
OF_BOTH: dict[str, Any] = {
    "waiting": BACKLOG + 1,
    "sent": 5,
    "server_gone": "Connection reset by peer",
    "nobody": "Connection refused",
}
EXPECTED = {
    "raw": {
        "tcp": {**OF_BOTH, "next": "Operation now in progress", "late_ms": [800, 15_000]},
        "unix": {**OF_BOTH, "next": "Resource temporarily unavailable", "late_ms": [150, 5000]},
    }
}


def observe(workbench: Workbench, name: str, where: object) -> dict[str, Any]:
    probe = workbench.probe("backlog", where, BACKLOG)
    following, waiting = probe.hear("next"), probe.hear("waiting")
    workbench.say(
        f"{name}: {waiting['result']} are connected; the next, after 300 ms: {following['error']}"
    )
    sent = probe.hear("send")
    workbench.say(f"{name}: one of those that wait sends already: {sent['result']} bytes are taken")
    late = probe.hear("late", 30)
    workbench.say(
        f"{name}: the server accepts one after 200 ms; another connect takes {late['result']} ms"
    )
    return {
        "waiting": waiting["result"],
        "next": following["error"],
        "sent": sent["result"],
        "late_ms": late["result"],
        "server_gone": probe.hear("recv")["error"],
        "nobody": probe.hear("gone")["error"],
    }


def run(workbench: Workbench, panel: str) -> Observation:
    workbench.say(f"listen(fd, {BACKLOG}), and no accept")
    tcp = observe(workbench, "TCP", "inet")
    unix = observe(workbench, "UNIX", workbench.path())
    refused = tcp["nobody"] in (tcp["next"], unix["next"])
    answer = {0: 1, BACKLOG: 3 - refused, BACKLOG + 1: 5 - refused}.get(tcp["waiting"], 0)
    phrase = "; ".join(
        f"{name}: {seen['waiting']} connect, the next: {seen['next']}; "
        f"one that keeps trying: {seen['late_ms'] - ACCEPT_MS} ms after an accept"
        for name, seen in (("TCP", tcp), ("UNIX", unix))
    )
    return Observation(
        {"tcp": tcp, "unix": unix}, phrase, answer if unix["waiting"] == tcp["waiting"] else 0
    )

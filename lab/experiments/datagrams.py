"""Datagrams: over UDP, and over a UNIX socket."""

from __future__ import annotations

from typing import Any

from lab.words import sentence
from lab.workbench import Observation, Workbench

THEME = "the lecture's sockets"
ORDER = 30
QUESTION = (
    '"Datagrams keep their boundaries, but may be lost or come out of order," says the lecture. '
    "A sender sends up to 2000 datagrams of a KiB, and the reader on the same machine does not "
    "read. What does the sender see?"
)
FIND = "udp sendto recvfrom SOCK_DGRAM lost packet drop boundaries unreliable UNIX datagram"
PREDICT = [
    "the same with both: all are sent, some are lost",
    "the same with both: on one machine nothing is lost, the sender must wait",
    "UDP: all are sent and most are lost; UNIX: the sender must wait, nothing is lost",
    "UDP: an error, as nobody reads; UNIX: all are kept",
]
PANELS = ["raw"]
EXPLANATION = """
UDP has no way to hold a sender back. The kernel drops a datagram that does not fit into the
receiver's buffer, even on one machine, and sendto succeeds all the same. The datagrams that came
first are kept, in order. A UNIX datagram socket knows its reader. When the queue is full
(net.unix.max_dgram_qlen and one more; or the sender's own SO_SNDBUF), the sender waits or gets
"Resource temporarily unavailable". So on Linux it is reliable and ordered.

Both keep boundaries: a receive returns one datagram. An empty datagram has length 0, which is not
an end of file. If the buffer is too short, the rest of the datagram is gone; only MSG_TRUNC tells
how long it was.

With nobody there, UDP's sendto goes on succeeding. The ICMP message "port unreachable" does come
back. But only a connected socket learns of it, and only from its next call: "Connection refused"
for a datagram that was sent long before. (udp(7) promises the error to every socket; Linux keeps
that promise for sockets that set IP_RECVERR.) recvfrom tells the sender's address. A UNIX sender
that never called bind has no address, so nobody can answer it.
"""
SOURCES = [
    "udp(7); unix(7): datagrams, on most implementations, are always reliable and in order",
    "recv(2), MSG_TRUNC; connect(2): the default destination of a datagram socket",
    "RFC 1122, section 4.1.3.3: ICMP messages are passed up",
    "Linux: net/ipv4/udp.c, __udp4_lib_err()",
]
TRY_NEXT = "Bind the UNIX sender with the address family alone (unix(7), Autobind), and answer it."
WORDS = {
    "first": "the first receive returns {} bytes, of a datagram of 100",
    "second": "the second receive returns {} bytes, of an empty datagram",
    "third": "the third receive returns {} bytes, of a datagram of 20",
    "cut": "a receive with room for 10 bytes returns {}, of a datagram of 100",
    "cut, with MSG_TRUNC": "the same with MSG_TRUNC returns {}",
    "the rest": "a receive of the rest says: {}",
    "flood: the next": "the reader does not read; the sender's next sendto says: {}",
    "flood: sent": "{} datagrams of a KiB were sent while the reader did not read",
    "flood: received": "then the reader receives {} datagrams",
    "flood: ordered": "they came in order: {}",
    "flood: the first ones are kept": "they are those that were sent first: {}",
    "flood: lost": "{} datagrams were lost",
    "sender's address": "the reader learns the sender's address: {}",
    "answer": "sendto to that address says: {}",
    "to nobody": "the reader closes its socket; the sender's next sendto says: {}",
    "to nobody again": "another sendto says: {}",
    "connect to nobody": "connect to the address where nobody is says: {}",
    "connected, to nobody": "the sender calls connect; its send says: {}",
    "connected, to nobody again": "another send says: {}",
}
YES_OR_NO = ("flood: ordered", "flood: the first ones are kept", "sender's address")
SENDS = ("answer", "to nobody", "to nobody again")
SENDS += ("connected, to nobody", "connected, to nobody again")
OF_BOTH = {
    "first": 100,
    "second": 0,
    "third": 20,
    "cut": 10,
    "cut, with MSG_TRUNC": 100,
    "the rest": "Resource temporarily unavailable",
    "flood: ordered": True,
    "flood: the first ones are kept": True,
}
REFUSED = "Connection refused"
EXPECTED = {
    "raw": {
        "udp": {
            **OF_BOTH,
            "flood: sent": 2000,
            "flood: received": [10, 1999],
            "sender's address": True,
            "answer": "ok",
            "to nobody": "ok",
            "to nobody again": "ok",
            "connected, to nobody": "ok",
            "connected, to nobody again": REFUSED,
        },
        "unix": {
            **OF_BOTH,
            "flood: the next": "Resource temporarily unavailable",
            "flood: lost": 0,
            "sender's address": False,
            "answer": "Transport endpoint is not connected",
            "to nobody": REFUSED,
            "to nobody again": REFUSED,
            "connect to nobody": REFUSED,
        },
    }
}


def observe(workbench: Workbench, name: str, where: object) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for said in workbench.probe("datagrams", where).rest():
        step, result = said["event"], said["result"]
        known = bool(result) if step in YES_OR_NO else "ok" if step in SENDS else result
        data[step] = said["error"] or known
        workbench.say(f"{name}: {sentence(WORDS, step, data[step])}")
    data["flood: lost"] = data["flood: sent"] - data["flood: received"]
    return data


def run(workbench: Workbench, panel: str) -> Observation:
    udp = observe(workbench, "UDP", "inet")
    unix = observe(workbench, "UNIX", workbench.path())
    lost = bool(udp["flood: lost"]), bool(unix["flood: lost"])
    stopped = "flood: the next" in udp, "flood: the next" in unix
    answer = 0
    if lost == (True, True) and stopped == (False, False):
        answer = 1
    elif stopped == (True, True) and lost == (False, False):
        answer = 2
    elif lost == (True, False) and stopped == (False, True):
        answer = 3
    phrase = "; ".join(
        f"{name}: {seen['flood: sent']} sent"
        + (f", then {seen['flood: the next']}" if "flood: the next" in seen else "")
        + f", {seen['flood: lost']} lost"
        for name, seen in (("UDP", udp), ("UNIX", unix))
    )
    return Observation({"udp": udp, "unix": unix}, phrase, answer)

"""The flags of send and recv, each beside the call without it."""

from __future__ import annotations

import os
from typing import Any

from lab.words import sentence
from lab.workbench import Observation, Workbench, lack
from harness.panels import BUILD

THEME = "the lecture's sockets"
ORDER = 40
QUESTION = (
    '"MSG_OOB sends urgent data, which overtakes the rest," says the lecture. Over TCP a client '
    "sends abc, then XY with MSG_OOB, then def. What does the server's plain recv return, with "
    "room for all?"
)
FIND = "MSG_OOB urgent out of band MSG_PEEK MSG_WAITALL send recv flags"
PREDICT = [
    "XYabcdef: the urgent bytes come first",
    "abcdef: both urgent bytes have another way",
    "abcXYdef: everything in its order",
    "abcX, and then def: one byte is urgent, and recv stops there",
]
PANELS = ["raw"]
NEEDS = ["program:ip"]
EXPLANATION = """
TCP has no second channel. It has a pointer to one place in the stream, so of XY only the last byte
is urgent. Linux takes that byte out of the stream, and recv with MSG_OOB fetches it. A plain recv
stops at the mark: abcX, then def. Nothing has overtaken anything. RFC 6093 asks new programs not to
use it. (unix(7) still says that UNIX stream sockets have no urgent data; since 5.15 Linux can be
built with it: ./triptych lab flags --json shows what this kernel does.)

MSG_PEEK reads without taking, any number of times. MSG_DONTWAIT makes one call not block. It fails
with "Resource temporarily unavailable", which a blocking recv also says at the end of SO_RCVTIMEO:
the same words mean "not yet" and "too late". With MSG_DONTROUTE nothing changes for a neighbour; a
host behind a router becomes unreachable.

"With flags 0, send is write": on a connected socket that is true, and both raise SIGPIPE, which
MSG_NOSIGNAL prevents. But write takes any descriptor, and send only a socket. For recv and read the
manual names another difference: read leaves an empty datagram pending. What was measured is
narrower: read does so only if it asks for 0 bytes.
"""
SOURCES = [
    "send(2); recv(2), NOTES on zero-length datagrams; tcp(7), urgent data",
    "RFC 6093: On the Implementation of the TCP Urgent Mechanism",
    "Linux: net/socket.c, sock_read_iter(); net/ipv4/tcp_input.c, tcp_check_urg()",
]
TRY_NEXT = "Send two urgent bytes in two calls and look for the first one. Then set SO_OOBINLINE."
WORDS = {
    "MSG_PEEK": "recv with MSG_PEEK returns {}",
    "MSG_PEEK again": "another recv with MSG_PEEK returns {}",
    "recv after it": "recv with flags 0 after them returns {}",
    "MSG_DONTWAIT": "nothing is there: recv with MSG_DONTWAIT returns {}",
    "MSG_DONTWAIT, ms": "that took {} ms",
    "flags 0, SO_RCVTIMEO": "SO_RCVTIMEO is 200 ms: recv with flags 0 returns {}",
    "flags 0, SO_RCVTIMEO, ms": "that recv took {} ms",
    "send with MSG_OOB": "after abc, send of XY with MSG_OOB returns {}; def follows",
    "recv up to the mark": "a plain recv returns {}",
    "the urgent byte is the last": "that byte is the Y: {}",
    "recv behind the mark": "the next plain recv returns {}",
    "write": "write to the socket returns {}",
    "write arrives": "recv of what was written returns {}",
    "write, broken": "after shutdown, write returns {}",
    "write, broken: SIGPIPE": "that write raised SIGPIPE: {}",
    "send with flags 0, broken": "after shutdown, send with flags 0 returns {}",
    "send with flags 0, broken: SIGPIPE": "that send raised SIGPIPE: {}",
    "send with MSG_NOSIGNAL, broken": "after shutdown, send with MSG_NOSIGNAL returns {}",
    "send with MSG_NOSIGNAL, broken: SIGPIPE": "that send raised SIGPIPE: {}",
    "after an empty datagram's read": "read took an empty datagram; the next recv returns {}",
    "after an empty datagram's recv": "recv took an empty datagram; the next recv returns {}",
    "after an empty datagram's read of 0 bytes": "after a read of 0 bytes, recv returns {}",
    "after an empty datagram's recv of 0 bytes": "after a recv of 0 bytes, recv returns {}",
    "neighbour, flags 0": "sendto to a neighbour with flags 0 returns {}",
    "neighbour, MSG_DONTROUTE": "sendto to a neighbour with MSG_DONTROUTE returns {}",
    "behind a router, flags 0": "sendto to a host behind a router with flags 0 returns {}",
    "behind a router, MSG_DONTROUTE": "sendto to that host with MSG_DONTROUTE returns {}",
}
AGAIN, BROKEN = "Resource temporarily unavailable", "Broken pipe"
OF_BOTH = {
    "MSG_PEEK": 5,
    "MSG_PEEK again": 5,
    "recv after it": 5,
    "MSG_DONTWAIT": AGAIN,
    "MSG_DONTWAIT, ms": [0, 150],
    "flags 0, SO_RCVTIMEO": AGAIN,
    "flags 0, SO_RCVTIMEO, ms": [190, 5000],
    "write": 5,
    "write arrives": 5,
    "write to a pipe": 5,
    "send to a pipe": "Socket operation on non-socket",
    "write, broken": BROKEN,
    "write, broken: SIGPIPE": True,
    "send with flags 0, broken": BROKEN,
    "send with flags 0, broken: SIGPIPE": True,
    "send with MSG_NOSIGNAL, broken": BROKEN,
    "send with MSG_NOSIGNAL, broken: SIGPIPE": False,
    "after an empty datagram's read": 4,
    "after an empty datagram's recv": 4,
    "after an empty datagram's read of 0 bytes": 0,
    "after an empty datagram's recv of 0 bytes": 4,
}
URGENT = {
    "send with MSG_OOB": 2,
    "recv up to the mark": 4,
    "recv with MSG_OOB": 1,
    "the urgent byte is the last": True,
    "recv behind the mark": 3,
}
EXPECTED = {
    "raw": {
        "tcp": {**OF_BOTH, **URGENT},
        "unix": OF_BOTH,  # urgent bytes: since Linux 5.15
        "neighbour, MSG_DONTROUTE": 1,
        "behind a router, flags 0": 1,
        "behind a router, MSG_DONTROUTE": "Network is unreachable",
    }
}
NETWORK = """
ip link add near type veth peer name far && ip link set far up && ip link set near up &&
ip addr add 198.51.100.1/24 dev near && ip route add default via 198.51.100.2 && exec "$0" route
"""


def observe(workbench: Workbench, name: str, probe: Any) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for said in probe.rest():
        step, result = said["event"], said["result"]
        yes_or_no = step.endswith("SIGPIPE") or step == "the urgent byte is the last"
        data[step] = said["error"] or (bool(result) if yes_or_no else result)
        workbench.say(f"{name}: {sentence(WORDS, step, data[step])}")
    return data


def run(workbench: Workbench, panel: str) -> Observation:
    tcp = observe(workbench, "TCP", workbench.probe("flags", "inet"))
    unix = observe(workbench, "UNIX", workbench.probe("flags", workbench.path()))
    program = BUILD / "lab" / "probes" / "flags"
    routes: dict[str, Any] = {}
    left_out = dict.fromkeys(EXPECTED["raw"].keys() - {"tcp", "unix"}, "namespaces")
    if not lack("namespaces"):
        own = "-n" if os.geteuid() == 0 else "-rn"
        probe = workbench.start("unshare", own, "sh", "-c", NETWORK, program)
        routes, left_out = observe(workbench, "UDP", probe), {}
    seen = (tcp.get("recv up to the mark"), tcp.get("recv behind the mark"))
    answer = 4 if seen == (4, 3) else {8: 3, 6: 2}.get(seen[0] or 0, 0)
    beyond = routes.get("behind a router, MSG_DONTROUTE", "not tried")
    phrase = (
        f"of 8 bytes the first recv returns {seen[0]}, "
        f"one with MSG_OOB {tcp.get('recv with MSG_OOB')}, the next {seen[1]}; "
        f"send to a pipe: {tcp.get('send to a pipe')}; MSG_DONTROUTE behind a router: {beyond}"
    )
    return Observation({"tcp": tcp, "unix": unix, **routes}, phrase, answer, left_out)

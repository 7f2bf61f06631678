"""The cable is pulled: nothing comes any more, not even an end."""

import os
import time
from functools import partial
from typing import Any

from lab.workbench import Failed, Observation, Program, Skip, Tap, Workbench
from harness.netstat import ESTABLISHED, LISTENING, sockets
from harness.panels import BUILD

THEME = "streams, signals, processes"
ORDER = 40
QUESTION = "The cable between publisher and subscriber is out for three seconds. Who notices?"
FIND = "network down unplug wifi keepalive heartbeat half-open timeout partition dead"
PREDICT = ["both, at once", "nobody; some events are lost", "nobody; all events arrive, late"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
NEEDS = ["root", "namespaces", "program:ip"]
TIMING = True
EXPLANATION = """
A connection is an agreement between two kernels; it is not a wire. When the cable is out, nobody
tells the kernels. The sender's kernel repeats what is not acknowledged, after 0.2, 0.4, 0.8 ...
seconds, for a quarter of an hour at least (tcp_retries2). A receiver that only waits, waits for
ever. When the cable is back, the next repetition gets through: nothing is lost that the queues
could hold.

To notice sooner, one side must ask. TCP's keepalive asks after two hours, unless the socket sets
other times, as this probe does: after one second, and again after one more. ZeroMQ has heartbeats
of its own, off by default (ZMQ_HEARTBEAT_IVL): without an answer it closes the connection and
connects anew. nanomsg and NNG's nn_ API have nothing, so programs send a message now and then.

Keepalive and heartbeats differ where the cable is whole and a program has stopped (here the tap,
stalled): a kernel answers keepalives for a program that hangs, but it cannot answer heartbeats.
"""
SOURCES = [
    "tcp(7), tcp_retries2, TCP_KEEPIDLE, TCP_USER_TIMEOUT; RFC 1122, 4.2.3.6; RFC 6298",
    "zmq_setsockopt(3), ZMQ_HEARTBEAT_IVL; RFC 37 (ZMTP 3.1), PING and PONG",
    "lab/probes/heartbeat.c",
]
TRY_NEXT = "Set TCP_USER_TIMEOUT to 1000 at raw's publisher: who closes now, and what is lost?"
WORDS = {
    "plain_cable": "the cable is out: a connection is given up after {} s",
    "plain_stall": "a relay stalls: a connection is given up after {} s",
    "beat_cable": "the cable is out: with what there is, given up after {} s",
    "beat_stall": "a relay stalls: with what there is, given up after {} s",
    "panel": "the panel gives up after {} s",
    "lost": "{} events are lost",
    "late_ms": "an event came up to {} ms late",
}
COMMON: dict[str, object] = {"plain_cable": "-", "plain_stall": "-", "panel": "-", "lost": 0}
COMMON["late_ms"] = [2700, 15_000]
EXPECTED: dict[str, dict[str, object]] = {
    "raw": {**COMMON, "beat_cable": [0.9, 9.0], "beat_stall": "-"},
    "zmq": {**COMMON, "beat_cable": [0, 9.0], "beat_stall": [0, 9.0]},
    "nanomsg": {**COMMON, "beat_cable": "-", "beat_stall": "-"},
    "nng": {**COMMON, "beat_cable": "-", "beat_stall": "-"},
}
CUT_SECONDS = 2.9
SERVER, CLIENT = "10.0.0.1", "10.0.0.2"


class Place:
    """A machine of its own, as far as the network goes: a namespace."""

    def __init__(self, workbench: Workbench):
        self.workbench = workbench
        self.holder = workbench.start("unshare", "-n", "sleep", 60)
        own = os.readlink("/proc/self/ns/net")
        if not workbench.wait_for(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own):
            raise Failed("no network namespace")

    def start(self, *command: object) -> Any:
        return self.workbench.start("nsenter", "-t", self.holder.pid, "-n", "--", *command)

    def ip(self, *words: object) -> None:
        child = self.start("ip", *words)
        if child.ended() != 0:
            raise child.fail(f"failed: {' '.join(map(str, words))}")


def listens(child: Program, port: int) -> bool:
    return any(row[3] == LISTENING for row in sockets("tcp", port, of=child.pid))


def connections(child: Program, port: int) -> set[str]:
    """Of its machine to that port, by their local address."""
    rows = sockets("tcp", port, 2, child.pid) if child.running else []
    return {row[1] for row in rows if row[3] == ESTABLISHED}


def run(workbench: Workbench, panel: str) -> Observation:
    probe = BUILD / "lab" / "probes" / f"heartbeat-{panel}"
    if not os.access(probe, os.X_OK):
        raise Skip(f"no probe heartbeat for {panel}")
    here, there = Place(workbench), Place(workbench)
    other_end = ("peer", "name", "cable", "netns", there.holder.pid)
    here.ip("link", "add", "cable", "type", "veth", *other_end)
    for place, address in ((here, SERVER), (there, CLIENT)):
        place.ip("addr", "add", f"{address}/30", "dev", "cable")
        place.ip("link", "set", "cable", "up")

    # Each of these: a client, and the port that it is connected to.
    clients: dict[str, tuple[Program, int]] = {}
    taps: list[Tap] = []
    for number, way in enumerate(("plain", "beat"), start=5001):
        url = f"tcp://{SERVER}:{number}"
        here.start(probe, url, "serve")
        clients[f"{way}_cable"] = there.start(probe, url, way), number
        back, front = workbench.port(), workbench.port()
        server = workbench.start(probe, f"tcp://127.0.0.1:{back}", "serve")
        workbench.wait_for(partial(listens, server, back))
        taps.append(workbench.tap(f"tcp://127.0.0.1:{front}", f"tcp://127.0.0.1:{back}"))
        clients[f"{way}_stall"] = workbench.start(probe, f"tcp://127.0.0.1:{front}", way), front
    url = f"tcp://{SERVER}:5000"
    here.start(BUILD / f"{panel}-pub", "--json", "--quiet", "-u", url, "-r", 100, "-n", 0, "-s", 16)
    sub = there.start(BUILD / f"{panel}-sub", "--json", "-u", url)
    sub.hear("message")
    clients["panel"] = sub, 5000
    if not workbench.wait_for(lambda: all(connections(*client) for client in clients.values())):
        raise Failed("not all are connected")
    workbench.pause(0.5)  # and idle now

    before = {name: connections(*client) for name, client in clients.items()}
    workbench.say("the cable is pulled; and elsewhere, a relay stalls")
    there.ip("link", "set", "cable", "down")
    for tap in taps:
        tap.command("stall")
    cut = time.monotonic()
    data: dict[str, object] = {name: "-" for name in clients}
    passed = 0.0
    while passed < CUT_SECONDS:  # once more when it is over, however late that is
        workbench.pause(0.02)
        passed = time.monotonic() - cut
        for name, client in clients.items():
            if data[name] == "-" and not before[name] & connections(*client):
                data[name] = round(passed, 2)
                workbench.say(f"{name.replace('_', ', ')}: the connection is given up")
    while sub.heard("message", 0.05):
        pass
    workbench.say("the cable is back")
    mended = time.monotonic()
    there.ip("link", "set", "cable", "up")
    data["back_ms"] = round((time.monotonic() - mended) * 1000) if sub.heard("message", 10) else -1
    workbench.say(f"the next event arrives {data['back_ms']} ms after")
    workbench.pause(0.3)
    summary = sub.stop()
    data["lost"] = summary["lost"]
    data["late_ms"] = round(summary["latency_us"]["max"] / 1000)
    late = summary["latency_us"]["max"] / 1e6
    phrase = "nobody notices" if data["panel"] == "-" else f"noticed after {data['panel']} s"
    phrase += f"; {data['lost'] or 'none'} lost, up to {late:.1f} s late"
    if panel in ("raw", "zmq"):
        name = "keepalive" if panel == "raw" else "heartbeat"
        for way, where in (("cable", "cable"), ("stall", "stalled relay")):
            noticed = data[f"beat_{way}"]
            phrase += f"; {name}, {where}: " + ("not noticed" if noticed == "-" else f"{noticed} s")
    answer = 1 if data["panel"] != "-" else 2 if data["lost"] else 3
    return Observation(data, phrase, answer)

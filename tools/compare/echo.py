"""The four programs of raw/steps/0-echo, compiled as their heads say, run, and broken one by one.

Each break is a short play: it starts the programs, does one thing to them, and looks at what
happened: the lines that they printed, how they ended, what the kernel holds for them. What is told
afterwards is built from that alone. What all breaks have in common is in echo_act.py.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compare.echo_act import SOON_S, Act, Different, bytes_of, check, ending, port_of, shortened
from compare.echo_act import text_of, udp_port, waiting_bytes
from harness import panels
from harness.netstat import TIME_WAIT, sockets
from harness.panels import complain
from harness.program import Failed, Program
from harness.stage import Stage

FOLDER = "raw/steps/0-echo"
WATCH_S = 1.0  # so long a program is watched that seems to wait for ever
TEXT = "x"  # long texts are made of it
SLICE = 5  # bytes that the line passes on at once


# The breaks: each returns the sentence that is told afterwards.


def pieces(act: Act) -> str:
    text = "hello, world"
    address, line = act.address(), act.address()
    server = act.serve("stream-server", address)
    act.stage.tap(f"tcp://{line}", f"tcp://{address}", "--slice", SLICE, "--rate", 50)
    act.note(f"a line from {line} to {address} that passes on {SLICE} bytes at a time")
    client = act.run("stream-client", line, text)
    answers = act.counts(client, 1)
    status = client.ended(SOON_S)
    counts = act.counts(server, -(-len(text) // SLICE))
    act.end(server)
    check(
        answers and 0 < answers[0] < len(text) and len(counts) > 1,
        f"recv() returned {listed(counts)} in the server and {listed(answers)} in the client",
    )
    told = (
        f"In the server recv() returned {listed(counts)} bytes for one send() of {len(text)}. The "
        f"client took its first {answers[0]} bytes for the whole answer and ended with status "
        f"{status}."
    )
    if server.complaint:  # now and then: the reset may come after the server's last call
        told += (
            f" It had left when more answers came, so a reset came back, and the server ended as "
            f"well ({server.complaint}): it does not outlive a client that leaves early (see 4)."
        )
    return told


def joined(act: Act) -> str:
    address, texts = act.address(), ("hello", "world")
    server = act.serve("stream-server", address)
    act.note("SIGSTOP to the server: it is slow")
    act.freeze(server)
    client = act.run("stream-client", address, *texts)
    whole = sum(map(len, texts))
    act.await_true(lambda: waiting_bytes(address) == whole, "both texts have not arrived")
    act.note("both texts wait in the server's kernel; SIGCONT to the server")
    server.thaw()
    counts = act.counts(server, 1)
    answers = act.counts(client, 1)
    late = act.line(client, WATCH_S)
    runs = client.running
    act.end(client)
    act.end(server)
    check(
        counts == [whole] and answers == [whole] and late is None and runs,
        f"the server's recv() returned {listed(counts)}, the client's {listed(answers)}; after "
        f"that the client {'waited' if runs else 'ended'}",
    )
    return (
        f"Two send() of {listed(list(map(len, texts)))} bytes arrived as one recv() of {whole}. "
        f"The client took both answers for one; {WATCH_S:g} s later it still waited for the second."
    )


def second_client(act: Act) -> str:
    address = act.address()
    server = act.serve("stream-server", address)
    act.freeze(server)
    first = act.run("stream-client", address, "first")
    act.await_true(lambda: waiting_bytes(address) == len("first"), "nothing has arrived")
    act.freeze(first)
    act.note("SIGSTOP to the first client: it stays connected and says nothing")
    server.thaw()
    check(act.line(server), "the first client was not served")
    second = act.run("stream-client", address, "second")
    during = act.line(second, WATCH_S)
    act.note(f"{WATCH_S:g} s later: SIGCONT to the first client, which leaves")
    began = time.monotonic()
    first.thaw()
    after = act.line(second)
    waited = time.monotonic() - began
    act.all_lines(first)
    act.line(server)
    act.end(server)
    check(
        during is None and after is not None,
        f"the second client was {'answered at once' if during else 'never answered'}",
    )
    return (
        f"The second client was connected, and waited {WATCH_S:g} s without an answer; "
        f"{1000 * waited:.0f} ms after the first one had gone on and left, it was answered."
    )


def vanishing(act: Act) -> str:
    address, text = act.address(), TEXT * 20_000
    server = act.serve("stream-server", address)
    act.freeze(server)
    client = act.run("stream-client", address, text)
    act.await_true(lambda: waiting_bytes(address) == len(text), "the text has not arrived")
    act.note("SIGKILL to the client, before it is answered; the server goes on")
    client.kill()
    server.thaw()
    status = server.ended(SOON_S)
    act.all_lines(server, 0.0)
    check(status == -signal.SIGPIPE, f"the server {ending(server)}")
    check(act.lines[server.pid], "the server printed nothing")
    return (
        f"The server had answered {bytes_of(act.lines[server.pid][0]):,} bytes when a send() found "
        f"nobody at the other end: the server {server.end()}, with all its other clients."
    )


def port_held(act: Act) -> str:
    address = act.address()
    server = act.serve("stream-server", address)
    act.freeze(server)
    client = act.run("stream-client", address, "hello")
    act.await_true(lambda: waiting_bytes(address) == len("hello"), "nothing has arrived")
    act.freeze(client)
    server.thaw()
    act.line(server)
    act.await_true(lambda: waiting_bytes(address, 2) == len("hello"), "no answer has arrived")
    act.note("SIGINT (Ctrl-C) to the server while the client is connected; then the client leaves")
    server.signal(signal.SIGINT)
    first = ending(server, SOON_S)
    client.thaw()
    act.all_lines(client)
    again = act.run("stream-server", address)
    status = again.ended(WATCH_S)
    remembered = any(row[3] == TIME_WAIT for row in sockets("tcp", port_of(address)))
    act.end(again)
    check(
        status == 1 and "in use" in again.complaint and remembered,
        f"the second server {ending(again)}",
    )
    return (
        f"The first server {first}, and the client had left; the second server {ending(again)}. "
        "The kernel still holds the closed connection at that port (TIME_WAIT, for a minute)."
    )


def path_stays(act: Act) -> str:
    path = act.path()
    server = act.serve("stream-server", path)
    act.note("SIGKILL to the server")
    server.kill()
    there = os.path.exists(path)
    again = act.run("stream-server", path)
    status = again.ended(WATCH_S)
    act.end(again)
    check(
        there and status == 1 and "in use" in again.complaint,
        f"the path was {'there' if there else 'gone'}, and the second server {ending(again)}",
    )
    return (
        f"The first server {server.end()} and left its path behind; the second one {ending(again)}."
        " Only unlink() removes a path."
    )


def both_send(act: Act) -> str:
    path, texts = act.path(), [TEXT * 100_000] * 10
    server = act.serve("stream-server", path)
    client = act.run("stream-client", path, *texts)
    passed = sum(map(bytes_of, act.all_lines(server, WATCH_S)))
    heard = act.all_lines(client, 0.0)
    whole = sum(map(len, texts))
    stuck = server.running and client.running
    act.end(client)
    act.end(server)
    check(
        stuck and not heard and 0 < passed < whole,
        f"the server received {passed:,} bytes of {whole:,}, and the client printed "
        f"{len(heard)} lines",
    )
    return (
        f"The server had received {passed:,} bytes of {whole:,}, and for {WATCH_S:g} s nothing "
        "moved: the client reads no answer before it has sent all, so that the server's send() "
        "waits for the client's recv(), and the client's send() for the server's. That lasts for "
        "ever; here both are killed."
    )


def too_long(act: Act) -> str:
    address = act.address()
    server = act.serve("datagram-server", address)
    cut = act.run("datagram-client", address, TEXT * 5_000)
    received = act.counts(server, 1)
    answered = act.counts(cut, 1)
    refused = act.run("datagram-client", address, TEXT * 70_000)
    status = refused.ended(SOON_S)
    act.all_lines(refused, 0.0)
    act.end(server)
    check(
        received == answered == [4096] and status == 1 and "too long" in refused.complaint,
        f"of 5,000 bytes came {listed(received)}, and with 70,000 the client {ending(refused)}",
    )
    return (
        f"Of 5,000 bytes the server received {received[0]:,}, what its buffer holds, and nobody "
        f"was told of the rest. With 70,000 bytes the client {ending(refused)}: UDP over IPv4 "
        "carries 65,507 at most."
    )


def lost(act: Act) -> str:
    address = act.address()
    client = act.run("datagram-client", address, "hello")
    act.note("no server is there: the datagram is lost")
    status = client.ended(WATCH_S)
    said = act.all_lines(client, 0.0)
    act.end(client)
    check(status is None and not said, f"the client {ending(client)}")
    told = answer_to_connected(address)
    return (
        f"sendto() reported no error, and {WATCH_S:g} s later the client still waited in "
        f"recvfrom(). A socket that had called connect() with that address was told: {told}."
    )


def answer_to_connected(address: str) -> str:
    """What a connected UDP socket is told that sends to this address."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(WATCH_S)
        probe.connect((host, int(port)))
        try:
            probe.send(b"hello")
            probe.recv(1)
        except TimeoutError:
            return "nothing"
        except OSError as error:
            return str(error.strerror)
    return "an answer"


def stranger(act: Act) -> str:
    address = act.address()
    client = act.run("datagram-client", address, "my question")
    act.await_true(lambda: udp_port(client), "the client has no port")
    port = udp_port(client)
    act.note(f"the client waits at port {port}; somebody else writes to it")
    other = act.run("datagram-client", f"127.0.0.1:{port}", "not your answer")
    status = client.ended(SOON_S)
    said = act.all_lines(client, 0.0)
    act.end(other)
    taken = said and text_of(said[0]) == "not your answer"
    check(status == 0 and taken, f"the client {ending(client)}")
    return (
        f'There was no server, and the client took "{text_of(said[0])}" from a stranger for its '
        f"answer: it ended with status {status}."
    )


def listed(numbers: list[int]) -> str:
    """ "5, 5 and 2" """
    words = [f"{number:,}" for number in numbers] or ["nothing"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


@dataclass(frozen=True)
class Break:
    name: str
    title: str
    before: str
    play: Callable[[Act], str]
    step: str  # that repairs it
    repair: str  # and how
    experiment: str  # of ./triptych lab: explains it

    def as_json(self) -> dict[str, Any]:
        """What is known of it before it is played."""
        return {
            "name": self.name,
            "title": self.title,
            "before": self.before,
            "repaired_by": self.step,
            "repair": self.repair,
            "experiment": self.experiment,
        }


BREAKS = (
    Break(
        "pieces",
        "a message that arrives in pieces",
        f"The client sends a text with one send(); the line passes on {SLICE} bytes at a time.",
        pieces,
        "raw-2",
        "each message travels behind its length, and loops receive all of it",
        "tcp-has-no-messages",
    ),
    Break(
        "joined",
        "two messages that arrive as one",
        "The client sends two texts while the server is slow, and expects two answers.",
        joined,
        "raw-2",
        "the length in front says where a message ends",
        "tcp-has-no-messages",
    ),
    Break(
        "second-client",
        "a second client",
        "The first client stays connected and is silent; a second one asks.",
        second_client,
        "raw-3",
        "poll() waits for all clients at once",
        "one-at-a-time",
    ),
    Break(
        "vanishing",
        "a client that vanishes in the middle",
        "The client sends 20,000 bytes and is killed before the server answers.",
        vanishing,
        "raw-2",
        "MSG_NOSIGNAL makes send() return EPIPE, and the server drops that client only",
        "vanished-client",
    ),
    Break(
        "port",
        "the server restarted at once: the port",
        "The server is ended while a client is connected, and started again at the same port.",
        port_held,
        "raw-2",
        "SO_REUSEADDR lets bind() take a port whose old connections are still remembered",
        "address-in-use",
    ),
    Break(
        "path",
        "the server restarted at once: the path",
        "The server on a UNIX socket is killed, and started again at the same path.",
        path_stays,
        "raw-5",
        "a path that refuses a connect() belongs to nobody; the new server unlinks it",
        "path-that-stays",
    ),
    Break(
        "both-send",
        "a message of 1 MB",
        "The client sends 1 MB over a UNIX socket, in ten texts of 100,000 bytes (the kernel takes "
        "128 KiB an argument), and reads the answers afterwards.",
        both_send,
        "raw-4",
        "send() does not wait; what it does not take stays in a buffer "
        "while poll() looks for input",
        "both-send",
    ),
    Break(
        "too-long",
        "a datagram that is too long",
        "The client sends a datagram of 5,000 bytes to a buffer of 4,096, then one of 70,000.",
        too_long,
        "raw-dgram",
        "a message that is too long fails with EMSGSIZE before it is sent",
        "datagrams",
    ),
    Break(
        "lost",
        "a datagram that is lost",
        "The client asks, and no server is there.",
        lost,
        "raw-dgram",
        "the client asks again after a while, and gives up in the end",
        "datagrams",
    ),
    Break(
        "stranger",
        "a datagram from somebody else",
        "The client waits for its answer, and a stranger sends it a datagram.",
        stranger,
        "raw-dgram",
        "the client compares the sender, and the number of its request",
        "datagrams",
    ),
)


def compile_programs(folder: Path) -> list[str]:
    """Runs the line `cc ...` that each program's head shows; returns the lines."""
    source = panels.ROOT / FOLDER
    lines = []
    for path in sorted(source.glob("*.[ch]")):
        shutil.copy(path, folder)
        if found := re.search(r"^ \* +(cc .+)$", path.read_text(), re.M):
            lines.append(found[1])
    for line in lines:
        done = subprocess.run(line.split(), cwd=folder, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            complain(1, f"steps echo: {line} in {FOLDER} failed: {done.stderr.strip()[-300:]}")
    return lines


@dataclass
class Outcome:
    """A break, and what is told of it."""

    of: Break
    came_about: bool
    after: str
    told: list[tuple[str, list[str]]]  # each command or note, and what was printed
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return self.of.as_json() | {
            "came_about": self.came_about,
            "after": self.after,
            "acts": [{"act": act, "printed": printed} for act, printed in self.told],
            "seconds": round(self.seconds, 2),
        }


def perform(chosen: Break, stage: Stage) -> Outcome:
    """Plays one break; nothing of it runs afterwards."""
    act, began = Act(stage), time.monotonic()
    try:
        came_about, after = True, chosen.play(act)
    except (Different, Failed) as problem:
        came_about, after = False, f"It came otherwise: {problem}."
    for program in stage.programs:
        program.kill()
    told = []
    for text, of in act.told:
        printed = [] if isinstance(of, str) else list(act.lines[of.pid])
        if isinstance(of, Program):
            printed += of.stderr().splitlines()
            if not (status := of.process.returncode) or status == -signal.SIGKILL:
                pass
            elif status < 0:
                printed.append(f"({of.end()})")
        told.append((text, [shortened(line) for line in printed]))
    return Outcome(chosen, came_about, after, told, time.monotonic() - began)

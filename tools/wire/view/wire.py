"""./triptych wire - every byte that a panel sends in one real exchange, explained

Usage:  ./triptych wire [reqrep|pubsub] [PANEL...] [--ipc] [--size N] [--full]
                        [--json] [--pcap FILE]

Runs the panels' own programs with the tap (build/tap) between client and
server, which records what passes. The decoder (build/decode) says what each
byte means.

  reqrep       connects, sends one request, receives one reply
  pubsub       connects, subscribes to "weather.", publishes two events of which
               one matches, unsubscribes
               without either word: both
  PANEL...     these panels only, in this order; without: all that are built

  --ipc        over UNIX sockets instead of TCP
  --size N     a body of N bytes (default: the 5 of "hello"); over 255 bytes the
               long forms of the framing appear
  --full       all bytes of a long body, not only the first 256
  --json       one JSON object instead: the elements and the totals
  --pcap FILE  also writes a capture for Wireshark, of UNIX sockets, too;
               tools/wire/README.md says how to install the dissector

The columns: the time in milliseconds since the connection was there, on the
first line of each segment; the direction (> to the server, < to the client);
the offset in that direction; the bytes; their meaning. "00 x31" stands for 31
bytes 00. Of a panel without framing= in panels.txt each byte is unknown; with
framing=none, as raw-1 has it, the messages stand there alone.
Exit status: 0 done, 1 an exchange failed, 2 the command line was wrong,
130 stopped by Ctrl-C, 141 the reader of the output has gone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

from harness.command import CommandLine, split_patterns
from harness.files import OutputFile
from harness.folders import temporary_folder
from harness.panels import Panel, choose_panels, warn
from harness.terminal import Output

from wire.view.exchange import SHOW_MOST, Exchange, Failed, decode
from wire.view.totals import Observed
from wire.view.show import show

SIZE_MOST = 1 << 24
SHOW = 256  # bytes of an element, without --full
ROUND_TRIP = 0.08  # seconds, where round trips are counted: far more than all else takes
ATTEMPTS = 3  # to count them, where something else took time


def size(word: str) -> int:
    if not word.isdecimal() or int(word) > SIZE_MOST:
        raise argparse.ArgumentTypeError(f"'{word}' is not a number of bytes from 0 to {SIZE_MOST}")
    return int(word)


def body_of(length: int | None) -> bytes:
    """Text, so that it is recognised among the bytes."""
    return (
        b"hello"
        if length is None else (b"abcdefghijklmnopqrstuvwxyz" * (length // 26 + 1))[:length]
    )


def run(
    panel: Panel, pattern: str, body: bytes, folder: Path, ipc: bool, round_trip: float = 0.0
) -> Exchange:
    """One exchange; on a machine too busy for its pace, once more and slower."""
    for patience in (1.0, 5.0):
        exchange = Exchange(panel, folder, ipc, round_trip, patience)
        try:
            if pattern == "reqrep":
                exchange.requests(body)
            else:
                exchange.events(body, publish=not round_trip)
            return exchange
        except Failed as problem:
            failure = problem
    raise failure


def observe(panel: Panel, pattern: str, arguments: argparse.Namespace, folder: Path) -> Observed:
    """The exchange that is shown, and once more with a long way, to count round trips."""
    body = body_of(arguments.size)
    exchange = run(panel, pattern, body, folder, arguments.ipc)
    show_bytes = SHOW_MOST if arguments.full else SHOW
    hint = panel.hint(pattern)
    events = decode(hint, "--show", show_bytes, exchange.recording)
    away = folder / "away"
    away.mkdir(exist_ok=True)
    attempts = []
    for _ in range(ATTEMPTS):
        distant = run(panel, pattern, b"hello", away, arguments.ipc, ROUND_TRIP)
        far = decode(hint, "--show", 1, "--segments", distant.recording)
        attempts.append(
            Observed(panel, pattern, exchange.version, exchange.recording, events, far, ROUND_TRIP)
        )
        if not attempts[-1].doubtful:
            break
    return min(attempts, key=lambda observed: observed.round_trips)


def main() -> int:
    command = CommandLine("wire", __doc__)
    command.add_argument("--ipc", action="store_true")
    command.add_argument("--size", type=size, metavar="N")
    command.add_argument("--full", action="store_true")
    command.add_argument("--json", action="store_true")
    command.add_argument("--pcap", metavar="FILE")
    command.add_argument("words", nargs="*")
    arguments = command.read()
    patterns, names = split_patterns(arguments.words)
    panels, left_out = choose_panels(names, "wire", patterns)
    for panel in left_out:
        warn(f"panel {panel.name} is left out: {panel.left_out(patterns)}")

    failed = False
    reports = []
    console = Output()
    capture = OutputFile("wire: --pcap", arguments.pcap) if arguments.pcap else None
    with temporary_folder() as folder:
        try:
            for pattern in patterns:
                observed = []
                (folder / pattern).mkdir()
                for panel in panels:
                    try:
                        observed.append(observe(panel, pattern, arguments, folder / pattern))
                    except Failed as problem:
                        failed = True
                        warn(f"wire: {pattern}, {panel.name}: {problem}")
                    if capture:  # for whoever kills this program
                        capture.keep(packets(folder, patterns, panels))
                reports += [o.as_json(arguments.ipc) for o in observed]
                if observed and not arguments.json:
                    show(console, pattern, observed, "UNIX sockets" if arguments.ipc else "TCP")
        finally:
            if capture:  # what was recorded, however the run has ended
                capture.write(packets(folder, patterns, panels))
    if arguments.json:
        print(json.dumps(reports, indent=1))
    return 1 if failed else 0


def packets(folder: Path, patterns: list[str], panels: list[Panel]) -> bytes:
    """A capture of what was recorded by now; what is damaged is left out."""
    found = []
    for path in (
        folder / pattern / f"{panel.name}.tap" for pattern in patterns for panel in panels
    ):
        if path.exists():
            with contextlib.suppress(Failed):
                decode("unknown", "--show", 1, path)
                found.append(path)
    if not found:
        return b""
    written = folder / "capture.pcap"
    decode("unknown", "--show", 1, "--pcap", written, *found)
    return written.read_bytes()

"""./triptych wire - what each panel sends: every byte of one real exchange, and what it is

Usage:  ./triptych wire [reqrep|pubsub] [PANEL...] [--ipc] [--size N] [--full] [--json]
                        [--pcap FILE]

Runs the panels' own programs with the tap (build/tap) between client and
server, and decodes what passed (build/decode), byte for byte.

  reqrep       connect, one request, one reply
  pubsub       connect, subscribe to "weather.", two events of which one
               matches, unsubscribe
               neither: both
  PANEL...     these panels only, in this order; none: all that are built

  --ipc        over UNIX sockets, not TCP
  --size N     a body of N bytes; over 255 the long forms appear (5: "hello")
  --full       all bytes of long bodies, not the first 256
  --json       one JSON object: the elements and the totals
  --pcap FILE  also a capture for Wireshark, UNIX sockets too; tools/wire/README.md
               says how to install the dissector

The columns: when (milliseconds after the connection was there; each new line
a new segment), which way (> to the server, < to the client), offset in that
direction, bytes, what they are. "00 x31" is 31 times 00.
Exit status: 0 done, 1 an exchange failed, 2 wrong command line, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from harness.command import CommandLine
from harness.panels import Panel, choose_panels, complain

from wire.view.exchange import SHOW_MOST, Exchange, Failed, decode
from wire.view.totals import Observed
from wire.view.show import show

SIZE_MOST = 1 << 24
SHOW = 256  # bytes of an element, without --full
ROUND_TRIP = 0.08  # seconds, where round trips are counted: far more than all else takes
ATTEMPTS = 3  # to count them, where something else took time


def size(word: str) -> int:
    if not word.isdecimal() or int(word) > SIZE_MOST:
        raise argparse.ArgumentTypeError(f"'{word}' is no number of bytes from 0 to {SIZE_MOST}")
    return int(word)


def body_of(length: int | None) -> bytes:
    """Text, so that it is recognised among the bytes."""
    return b"hello" if length is None else (b"abcdefghijklmnopqrstuvwxyz" * (length // 26 + 1))[:length]


def run(panel: Panel, pattern: str, body: bytes, folder: Path, ipc: bool, round_trip: float = 0.0) -> Exchange:
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
    events = decode(pattern, "--show", show_bytes, exchange.recording)
    away = folder / "away"
    away.mkdir(exist_ok=True)
    attempts = []
    for _ in range(ATTEMPTS):
        distant = run(panel, pattern, b"hello", away, arguments.ipc, ROUND_TRIP)
        far = decode(pattern, "--show", 1, "--segments", distant.recording)
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
    words: list[str] = arguments.words
    patterns = ["reqrep", "pubsub"]
    if words and words[0] in patterns:
        patterns = [words.pop(0)]
    panels, left_out = choose_panels(words, "wire")
    for panel in left_out:
        print(f"triptych: {panel.name} is left out: not built, its library is missing", file=sys.stderr)

    failed = False
    reports = []
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="triptych-") as temporary:
        recordings: dict[str, list[Path]] = {}
        for pattern in patterns:
            observed = []
            for panel in panels:
                folder = Path(temporary, pattern)
                folder.mkdir(exist_ok=True)
                try:
                    observed.append(observe(panel, pattern, arguments, folder))
                except Failed as problem:
                    failed = True
                    print(f"triptych: wire: {pattern}, {panel.name}: {problem}", file=sys.stderr)
            recordings[pattern] = [o.recording for o in observed]
            reports += [o.as_json(arguments.ipc) for o in observed]
            if observed and not arguments.json:
                show(console, pattern, observed, "UNIX sockets" if arguments.ipc else "TCP")
        if arguments.pcap:
            failed |= not write_capture(arguments.pcap, recordings)
    if arguments.json:
        print(json.dumps(reports, indent=1))
    return 1 if failed else 0


def write_capture(path: str, recordings: dict[str, list[Path]]) -> bool:
    files = [file for of_pattern in recordings.values() for file in of_pattern]
    if not files:
        return False
    try:
        decode(next(iter(recordings)), "--show", 1, "--pcap", path, *files)
    except Failed as problem:
        print(f"triptych: wire: {problem}", file=sys.stderr)
        return False
    return True

"""The command line and the JSON lines of programs/README.md. Yours can keep it."""

import asyncio
import getopt
import itertools
import json
import os
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

from frames import decode, encode

KINDS = ["", "request", "reply", "event", "error"]
COUNTS = "sent received lost duplicates restarts malformed too_long timeouts".split()
KNOWN = {
    "req": "sent received malformed timeouts",
    "rep": "sent received malformed",
    "pub": "sent",
    "sub": "received lost duplicates restarts malformed timeouts",
}
LETTERS, WORDS = "u:n:s:r:d:w:T:t:q:m:hV", ["json", "quiet", "cpu=", "warm-up=", "help", "version"]

panel, role = os.path.basename(sys.argv[0]).rsplit("-", 1)
version = f"Python {sys.version.split()[0]}"
try:
    given, texts = getopt.gnu_getopt(sys.argv[1:], LETTERS, WORDS)
    option = {"-t": "2000" if role == "req" else "-1", **dict(given)}
    if option.keys() & {"-h", "--help", "-V", "--version"}:
        sys.exit(print(f"{panel}-{role} ({version}): programs/README.md has the options"))
    url = option["-u"]
    endless = role in ("rep", "sub") or texts == ["-"]
    number = int(option.get("-n", 0 if endless else len(texts) or 1))
    size = int(option.get("-s", -1))
    rate, delay_ms, work_ms = (int(option.get(letter, 0)) for letter in ("-r", "-d", "-w"))
    patience = int(option["-t"]) / 1000 if option["-t"] != "-1" else None  # seconds
    most = int(option.get("-m", 32 << 20))
except (getopt.GetoptError, KeyError, ValueError) as wrong:
    print(f"{panel}-{role}: {wrong} (programs/README.md has the options)", file=sys.stderr)
    sys.exit(2)
topics = [os.fsencode(value) for name, value in given if name == "-T"] or [b""]
counts = Counter(dict.fromkeys(KNOWN[role].split(), 0))
times = [0.0, 0.0]  # of the first message and of the last
paths: list[str] = []  # of a server's ipc socket; removed at the end
seen: dict[bytes, tuple[int, int]] = {}  # of each topic the last sequence, and its time


def say(event: str, **members: object) -> None:
    print(json.dumps({"event": event, **members}), flush=True)


def ready() -> None:
    """A server has bound, a client is about to connect."""
    if role in ("rep", "pub") and url.startswith("ipc://"):
        paths.append(url.removeprefix("ipc://"))
    say("ready", panel=panel, role=role, url=url, pid=os.getpid())


def trouble(event: str, text: str) -> None:
    """event: timeout, error."""
    counts[f"{event}s"] += 1
    say(event, text=f"{url}: {text}", us=time.monotonic_ns() // 1000)
    if event == "error":
        print(f"{panel}-{role}: {url}: {text}", file=sys.stderr)


def count(direction: str, message: bytes) -> None:
    """Counts a message that was sent or received, and says so."""
    kind, sequence, sent, body, topic = decode(message)
    counts[direction] += 1
    times[:] = times[0] or time.monotonic(), time.monotonic()
    if "--quiet" not in option:
        name, text = (part.decode("utf-8", "replace") for part in (topic, body[:256]))
        about = {"direction": direction, "kind": KINDS[kind], "topic": name, "sequence": sequence}
        say("message", **about, sent=sent, length=len(body), text=text, us=int(times[1] * 1e6))


def follow(event: bytes) -> None:
    """Counts an event, what was lost before it, and duplicates. struct.error: it is no message."""
    _, sequence, sent, _, topic = decode(event)
    if not seen:
        say("first", sequence=sequence)
    last, then = seen.get(topic, (sequence - 1, sent))
    if sequence <= last and sent <= then:
        counts["duplicates"] += 1
        return
    counts["restarts"] += sequence <= last
    counts["lost"] += max(0, sequence - last - 1)
    seen[topic] = sequence, sent
    count("received", event)


def summary() -> None:
    seconds = times[1] - times[0]
    messages = counts["sent" if role == "pub" else "received"]
    say(
        "summary",
        panel=panel,
        version=version,
        role=role,
        **{name: counts.get(name) for name in COUNTS},
        seconds=seconds,
        rate=(messages - 1) / seconds if seconds else None,
        first_us=int(times[0] * 1e6) or None,
        last_us=int(times[1] * 1e6) or None,
        latency_us=None,
    )


async def messages(kind: int) -> AsyncIterator[bytes]:
    """Each message to send, when it is due. Other tasks work meanwhile."""
    start = time.monotonic() + delay_ms / 1000
    for n in range(number) if number else itertools.count():
        sequence, body = n // len(topics) + 1, os.fsencode(texts[n % len(texts)]) if texts else b""
        if texts == ["-"]:
            if not (line := await asyncio.to_thread(sys.stdin.buffer.readline)):
                return
            body = line.removesuffix(b"\n")
        if size >= 0:
            body = (bytes(range(256)) * (size // 256 + 2))[sequence & 255 :][:size]
        due = start + n / rate if rate else max(start, time.monotonic())
        await asyncio.sleep(max(0, due - time.monotonic()))
        yield encode(kind, sequence, int(due * 1e9), body, topics[n % len(topics)])


async def play(part: Callable[[], Awaitable[None]], finish: Callable[[], Awaitable[None]]) -> None:
    """Plays a role until it ends or a signal comes; then finishes, and prints the summary."""
    status, task = 1, asyncio.current_task()
    assert task
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await part()
        status = int(counts["timeouts"] > 0)
    except asyncio.CancelledError:
        status = 0
    except (OSError, ValueError, struct.error) as error:
        trouble("error", str(error))
    await finish()
    for path in paths:
        os.unlink(path)
    summary()
    os._exit(status)  # a thread may still wait for a line of input

"""./triptych net - two networks of their own, and a long line between them

Usage:  ./triptych net up [--rate MBIT] [--delay MS] [--queue KIB]
        ./triptych net run left|right -- COMMAND...
        ./triptych net show
        ./triptych net down

Makes two network namespaces, left (10.87.0.1) and right (10.87.0.2), and a line
between them that is as slow and as long as you say. Programs that you run in
them have this machine's files and a network of their own: nothing that they
send leaves the line. It needs root.

  up            makes them, and the line
  run           runs a command in one of them:
                ./triptych net run left -- build/raw-rep -u tcp://10.87.0.1:5555
  show          the line, and what each of the two has sent
  down          ends the programs in them, and removes them

  --rate MBIT   Mbit/s in each direction; 0: no bound. Default: 10
  --delay MS    milliseconds from one end to the other. Default: 40
  --queue KIB   KiB that may wait before the line; a packet that finds the queue
                full is dropped, as in a router; 0: no bound. Default: 64

The verbs that take --hosts know the two as net:left and net:right:
./triptych demo --hosts net:left,net:right
./triptych lab long-line looks at such a line with four questions.

Exit status: 0 done, 1 the system refused, or there is no such network, 2 the
command line was wrong; run: that of the command, 127 if there is none.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harness.command import CommandLine
from harness.panels import complain
from harness.way import NAMESPACES, NET

LINE = Path(__file__).with_name("line.py")
SIDES = tuple(NET)
WORDS = ("up", "run", "show", "down")
END_SECONDS = 2.0  # that a program has between SIGTERM and SIGKILL


def name_of(side: str) -> str:
    return NAMESPACES.format(side)


def file_of(side: str) -> Path:
    return Path("/run/netns") / name_of(side)


def state_file() -> Path:
    """What `up` has noted: the line's options and its process."""
    return Path("/run/triptych-net.json")


def ip(*words: str) -> str:
    """What ip(8) prints; ends the program with its words where it fails."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        complain(1, f"net: ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def need_root(what: str) -> None:
    if os.geteuid() != 0:
        complain(1, f"net: needs root, which alone makes networks: sudo ./triptych net {what}")


def processes() -> list[int]:
    """What runs in the two, the line included."""
    made = [side for side in SIDES if file_of(side).exists()]
    return [int(pid) for side in made for pid in ip("netns", "pids", name_of(side)).split()]


def need_up() -> dict[str, Any]:
    if not all(file_of(side).exists() for side in SIDES):
        complain(1, "net: there is no such network yet: ./triptych net up")
    try:
        state: dict[str, Any] = json.loads(state_file().read_text())
    except (OSError, ValueError):
        complain(1, "net: the network is half made: ./triptych net down, then up")
    if state["pid"] not in processes():
        complain(1, "net: the line has ended: ./triptych net down, then up")
    return state


def up(options: Any) -> int:
    if any(file_of(side).exists() for side in SIDES):
        complain(1, "net: it is up already: ./triptych net show, or down")
    if not os.path.exists("/dev/net/tun"):
        complain(1, "net: the line needs /dev/net/tun, which this machine lacks")
    for side in SIDES:
        ip("netns", "add", name_of(side))
    words = [f"--{name}={getattr(options, name):g}" for name in ("rate", "delay", "queue")]
    line = subprocess.Popen(
        ["/usr/bin/python3", "-B", LINE, *(file_of(side) for side in SIDES), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert line.stdout and line.stderr
    ready = line.stdout.readline()
    if not ready:
        text = line.stderr.read().decode(errors="replace").strip()
        line.wait()
        down()
        complain(1, f"net: no line: {text}")
    state_file().write_text(json.dumps({**json.loads(ready), "pid": line.pid}))
    print(
        f"left {NET['left']} and right {NET['right']}, {options.rate:g} Mbit/s and "
        f"{options.delay:g} ms apart. Two programs there:\n"
        f"  ./triptych net run left -- build/raw-rep -u tcp://{NET['left']}:5555\n"
        f"  ./triptych net run right -- build/raw-req -u tcp://{NET['left']}:5555 -n 5 hello\n"
        "or ./triptych demo --hosts net:left,net:right. In the end: ./triptych net down"
    )
    return 0


def show() -> int:
    state = need_up()
    rate, delay, queue = (state[name] for name in ("rate_mbit", "delay_ms", "queue_kib"))
    print(
        f"{rate:g} Mbit/s (0: no bound), {delay:g} ms one way, "
        f"{queue:g} KiB wait at most (0: no bound)"
    )
    for side in SIDES:
        device = ip("-n", name_of(side), "-s", "-j", "link", "show", "line")
        sent = json.loads(device)[0]["stats64"]["tx"]
        print(f"{side} ({NET[side]}) has sent {sent['packets']} packets, {sent['bytes']} bytes")
    return 0


def run(words: list[str]) -> int:
    need_up()
    if not shutil.which(words[1]):
        complain(127, f"net: there is no program {words[1]}")
    command = ["ip", "netns", "exec", name_of(words[0]), *words[1:]]
    os.execvp(command[0], command)


def down() -> int:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in processes():
            try:
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + END_SECONDS
        while processes() and time.monotonic() < deadline:
            time.sleep(0.02)
    for side in SIDES:
        if file_of(side).exists():
            ip("netns", "del", name_of(side))
    state_file().unlink(missing_ok=True)
    return 0


def main() -> int:
    command = CommandLine("net", __doc__)
    command.add_argument("--rate", type=float, default=10.0)
    command.add_argument("--delay", type=float, default=40.0)
    command.add_argument("--queue", type=float, default=64.0)
    command.add_argument("words", nargs="*")
    options = command.read()
    what, words = (options.words + [""])[0], options.words[1:]
    if what not in WORDS or (words and what != "run"):
        complain(2, f"net: which of {', '.join(WORDS)}? ./triptych net --help")
    if min(options.rate, options.delay, options.queue) < 0:
        complain(2, "net: --rate, --delay and --queue are 0 or more")
    if what == "run" and (len(words) < 2 or words[0] not in SIDES):
        complain(2, "net: run takes left or right, and a command; ./triptych net --help")
    need_root(what)
    if not shutil.which("ip"):
        complain(1, "net: needs the program ip: Debian's package iproute2")
    sys.stdout.flush()
    if what == "run":
        return run(words)
    return up(options) if what == "up" else show() if what == "show" else down()

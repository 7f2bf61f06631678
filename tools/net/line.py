"""A line between two network namespaces: it carries every packet, at a rate, after a delay.

    /usr/bin/python3 -B tools/net/line.py LEFT RIGHT [--rate MBIT] [--delay MS] [--queue KIB]

LEFT and RIGHT are files of namespaces: /run/netns/NAME, /proc/PID/ns/net. In each it makes a
network device `line` (tun), so that the two reach each other, and nothing else; the line stays
until this process ends. TCP runs from end to end across it, as across a real line: a relay would
end the connection half-way, and netem is not in every kernel.

        the sender's kernel          this process                         the receiver's kernel
        --------------------> queue, KIB > MBIT, one packet > MS later ------------------------>
                              too full: the packet is dropped

Standard output has JSON lines: `ready`; and `stats` for each line that comes on standard input: the
packets, bytes and drops so far of those that left and right have sent.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import time
from typing import Any

ADDRESSES = {"left": "10.87.0.1", "right": "10.87.0.2"}  # harness/way.py has them, too
DEVICE = "line"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
CLONE_NEWNET = 0x40000000  # linux/sched.h
PACKET_MAX = 1 << 16
BATCH = 64  # packets that are taken from one side before the other's turn


class Way:
    """One direction of the line."""

    def __init__(self, rate: float, delay: float, queue: int):
        self.seconds_per_byte = 8 / rate if rate else 0.0
        self.delay, self.queue = delay, queue
        self.free = 0.0  # when the last packet has been sent
        self.sending: collections.deque[tuple[float, int]] = collections.deque()  # end, bytes
        self.waiting = 0  # bytes of those
        self.flying: collections.deque[tuple[float, bytes]] = collections.deque()  # arrival
        self.stats = {"packets": 0, "bytes": 0, "dropped": 0}

    def take(self, packet: bytes, now: float) -> None:
        while self.sending and self.sending[0][0] <= now:
            self.waiting -= self.sending.popleft()[1]
        if self.queue and self.waiting + len(packet) > self.queue:
            self.stats["dropped"] += 1
            return
        self.stats["packets"] += 1
        self.stats["bytes"] += len(packet)
        self.free = max(now, self.free) + len(packet) * self.seconds_per_byte
        self.sending.append((self.free, len(packet)))
        self.waiting += len(packet)
        self.flying.append((self.free + self.delay, packet))

    def deliver(self, device: int, now: float) -> None:
        while self.flying and self.flying[0][0] <= now:
            try:
                os.write(device, self.flying.popleft()[1])
            except OSError:
                pass  # the device is down: lost, as on a real line

    def next(self) -> float | None:
        return self.flying[0][0] if self.flying else None


def device_in(namespace: str, address: str, other: str) -> int:
    """Moves this process into that namespace and makes the device there."""
    with open(namespace, "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    name = struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI)
    fcntl.ioctl(device, TUNSETIFF, name)
    for words in (
        "link set lo up",
        f"address add {address} peer {other} dev {DEVICE}",
        f"link set {DEVICE} up",
    ):
        done = subprocess.run(["ip", *words.split()], capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"ip {words}: {done.stderr.strip()}")
    return device


def say(event: str, **members: Any) -> None:
    print(json.dumps({"event": event, **members}), flush=True)


def carry(devices: list[int], ways: list[Way]) -> None:
    """Until standard input ends, if it is a pipe; else until this process is ended."""
    poll = select.epoll()
    for descriptor in (0, *devices):
        try:
            poll.register(descriptor, select.EPOLLIN)
        except OSError:  # /dev/null as standard input
            continue
    while True:
        now = time.monotonic()
        due = [at for way in ways if (at := way.next()) is not None]
        ready = poll.poll(max(0.0, min(due) - now) if due else -1)
        for descriptor, _ in ready:
            if descriptor == 0:
                if not os.read(0, PACKET_MAX):
                    return
                say("stats", left=ways[0].stats, right=ways[1].stats)
                continue
            way = ways[devices.index(descriptor)]
            for _ in range(BATCH):
                try:
                    packet = os.read(descriptor, PACKET_MAX)
                except BlockingIOError:
                    break
                way.take(packet, time.monotonic())
        now = time.monotonic()
        for way, device in zip(ways, reversed(devices)):
            way.deliver(device, now)


def main() -> None:
    parser = argparse.ArgumentParser(description="A line between two network namespaces.")
    parser.add_argument("left")
    parser.add_argument("right")
    parser.add_argument("--rate", type=float, default=10, help="Mbit/s; 0: no bound")
    parser.add_argument("--delay", type=float, default=40, help="ms, one way")
    parser.add_argument("--queue", type=float, default=64, help="KiB before the line; 0: no bound")
    options = parser.parse_args()
    try:
        left, right = ADDRESSES.values()
        devices = [device_in(options.left, left, right), device_in(options.right, right, left)]
    except OSError as error:
        sys.exit(f"line: {error.filename or '/dev/net/tun'}: {error.strerror or error}")
    ways = [
        Way(options.rate * 1e6, options.delay / 1e3, int(options.queue * 1024)) for _ in devices
    ]
    say(
        "ready", **ADDRESSES, rate_mbit=options.rate, delay_ms=options.delay,
        queue_kib=options.queue,
    )
    carry(devices, ways)


if __name__ == "__main__":
    main()

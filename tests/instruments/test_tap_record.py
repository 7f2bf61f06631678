"""The tap records: its files, read by the letter of tools/wire/record/README.md."""

import errno
import os
import pathlib
import resource
import signal
import socket
import struct
import time

import pytest

from taps import (
    BACK,
    FRONT,
    Rig,
    bytes_of,
    echo,
    in_thread,
    receive,
    receive_all,
    send_and_shut,
    wait_for,
)


OPEN, DATA, PASS, SHUT, RESET, CLOSE, NOTE, END = range(1, 9)


def records(path: pathlib.Path) -> list[tuple[int, int, int, int, bytes]]:
    """(type, direction, connection, time, data) of each, by the letter of tools/wire/record/README.md."""
    data = path.read_bytes()
    magic, version, zero, mono, wall = struct.unpack_from(">8sIIQQ", data)
    assert (magic, version, zero) == (b"\x89TAP\r\n\x1a\n", 1, 0)
    assert abs(wall / 1e9 - time.time()) < 600
    found = []
    at, last = 32, mono
    while at < len(data):
        length, kind, way, zero, conn, when = struct.unpack_from(">IBBHIQ", data, at)
        assert zero == 0 and last <= when <= time.monotonic_ns()
        assert at + 20 + length <= len(data), "cut short"
        found.append((kind, way, conn, when, data[at + 20 : at + 20 + length]))
        at, last = at + 20 + length, when
    return found


def test_the_recording_of_a_small_exchange(rig: Rig) -> None:
    path = rig.folder / "small.tap"
    tap = rig.start("--record", str(path), front="ipc")
    client, served = rig.pair()
    client.sendall(b"question")
    served.sendall(receive(served, 8)[::-1])
    receive(client, 8)
    tap.command("delay up 1")
    client.shutdown(socket.SHUT_WR)
    receive_all(served)
    served.close()
    tap.event("close")
    assert tap.stop()["recording"] == "complete"
    found = records(path)
    peer = "tcp://127.0.0.1:%d" % rig.server.getsockname()[1]
    names = found[0][4].decode().split("\0")
    assert (names[0], names[1], names[3], names[4]) == ("ipc://", tap.url, peer, "")
    assert [(k, w, c, d) for k, w, c, _, d in found[1:]] == [
        (DATA, 0, 1, b"question"),
        (PASS, 0, 1, struct.pack(">Q", 8)),
        (DATA, 1, 1, b"noitseuq"),
        (PASS, 1, 1, struct.pack(">Q", 8)),
        (NOTE, 0, 0, b"delay up 1"),
        (SHUT, 0, 1, b""),
        (SHUT, 1, 1, b""),
        (CLOSE, 0, 1, b"client"),
        (END, 0, 0, b""),
    ]


@pytest.mark.parametrize("fault", [None, "delay 20", "slice 1000"])
def test_the_recording_loses_and_reorders_nothing(rig: Rig, fault: str | None) -> None:
    path = rig.folder / "large.tap"
    tap = rig.start("--record", str(path))
    if fault:
        tap.command(fault)
    sent = [bytes_of(2_000_000, i) for i in range(4)]
    for i, data in enumerate(sent):
        client, served = rig.pair()
        in_thread(rig.stack, send_and_shut, client, data)
        in_thread(rig.stack, echo, served)
        assert receive_all(client) == data
        tap.event("close", conn=i + 1)
        client.close()
    tap.stop()
    found = records(path)
    for i, data in enumerate(sent):
        for way in (0, 1):
            mine = [r for r in found if r[2] == i + 1 and r[1] == way]
            assert b"".join(d for k, _, _, _, d in mine if k == DATA) == data
            passed = [struct.unpack(">Q", d)[0] for k, _, _, _, d in mine if k == PASS]
            assert sum(passed) == len(data)
            if fault == "slice 1000":
                assert max(passed) <= 1000
    assert found[-1][0] == END


def test_reset_and_pieces_in_the_recording(rig: Rig) -> None:
    path = rig.folder / "reset.tap"
    tap = rig.start("--record", str(path), "--stall", "3")
    client, served = rig.pair()
    client.sendall(b"abcdef")
    assert receive(served, 3) == b"abc"
    wait_for(lambda: bool(tap.stats()["up"]["received"] == 6))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    tap.command("flush")
    wait_for(lambda: [k for k, *_ in records(path)][-1] == RESET)
    tap.kill()  # what was flushed is there all the same
    assert [(k, d) for k, _, _, _, d in records(path)[1:]] == [
        (DATA, b"abcdef"),
        (PASS, struct.pack(">Q", 3)),
        (RESET, b""),
    ]


def test_what_is_buffered_is_written_soon(rig: Rig) -> None:
    path = rig.folder / "soon.tap"
    rig.start("--record", str(path))
    client, served = rig.pair()
    client.sendall(b"x")
    receive(served, 1)
    wait_for(lambda: [k for k, *_ in records(path)] == [OPEN, DATA, PASS])


def test_a_recording_that_cannot_begin(rig: Rig) -> None:
    for path in ("/dev/full", str(rig.folder / "no" / "such")):
        done = rig.run(*FRONT, *BACK, "--record", path)
        assert done.returncode == 1
        assert path in done.stderr


def test_a_full_disk_is_reported_and_the_forwarding_goes_on(rig: Rig) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    path = rig.folder / "full.tap"
    tap = rig.start("--record", str(path), preexec_fn=little)
    client, served = rig.pair()
    data = bytes_of(3_000_000)
    in_thread(rig.stack, send_and_shut, client, data)
    assert receive_all(served) == data
    assert os.strerror(errno.EFBIG) in tap.event("error")["text"]
    tap.command("flush", refused=True)
    tap.signal(signal.SIGTERM)
    assert tap.summary()["recording"] == "incomplete" and tap.wait() == 1

"""raw's clients under a flood: a signal and a time-out come in time, although nothing blocks."""

import signal
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

import pytest

from programs import Program, Stage, ends_in_time

pytestmark = [pytest.mark.panels("raw"), pytest.mark.transports("tcp", "ipc")]

WRONG_ID = struct.pack(">II", 4, 0xDEADBEEF)


@contextmanager
def flooding(url: str, first: bytes, then: bytes) -> Iterator[None]:
    """A server that sends each client `first`, and then `then` without end."""
    family = socket.AF_UNIX if url.startswith("ipc") else socket.AF_INET
    with socket.socket(family) as listener:
        if family == socket.AF_UNIX:
            listener.bind(url[len("ipc://") :])
        else:
            listener.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        listener.listen()
        done = threading.Event()
        clients: list[socket.socket] = []

        def flood() -> None:
            while not done.is_set():
                with listener.accept()[0] as s:
                    clients.append(s)
                    try:
                        s.sendall(first)
                        while not done.is_set():
                            s.sendall(then)
                    except OSError:
                        pass  # it has left

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            yield
        finally:
            done.set()
            for s in clients:
                with suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)  # sendall() may wait
            with socket.socket(family) as last:  # accept() may wait
                last.connect(listener.getsockname())
            thread.join()
        if family == socket.AF_UNIX:
            Path(url[len("ipc://") :]).unlink()


def ends_in_the_flood(program: Program) -> None:
    time.sleep(0.3)
    program.signal(signal.SIGTERM)
    assert ends_in_time(program) == 0 and program.summary()


@pytest.mark.parametrize("timeout", [-1, 60000])
def test_a_signal_ends_req_under_a_flood_of_wrong_ids(stage: Stage, timeout: int) -> None:
    url = stage.url()
    with flooding(url, b"", WRONG_ID * 30000):
        ends_in_the_flood(stage.ready("req", url, "-t", timeout, "x"))


@pytest.mark.parametrize("timeout", [-1, 60000])
@pytest.mark.parametrize("role", ["req", "sub"])
def test_a_signal_ends_a_client_under_a_flood_of_one_frame(
    stage: Stage, role: str, timeout: int
) -> None:
    """4 GiB are claimed, and sent."""
    url = stage.url()
    with flooding(url, b"\xff\xff\xff\xff", bytes(1 << 20)):
        ends_in_the_flood(stage.ready(role, url, "-t", timeout, *["x"] * (role == "req")))


def test_a_flood_does_not_postpone_a_time_out(stage: Stage) -> None:
    url = stage.url()
    with flooding(url, b"", WRONG_ID * 30000):
        req = stage.driver("req", url, timeout=300)
        req.must("send x")
        line = req.call("recv")
        assert (line["result"], line["errno"]) == (-1, "ETIMEDOUT")
        assert 290_000 < line["us"] < 800_000
        assert req.must("close")["us"] < 500_000


def test_a_frame_without_end_does_not_postpone_a_time_out(stage: Stage) -> None:
    url = stage.url()
    with flooding(url, b"\xff\xff\xff\xff", bytes(1 << 16)):
        sub = stage.driver("sub", url, timeout=300)
        sub.must("subscribe")
        lines = [sub.call("recv") for _ in range(2)]
        assert [line["errno"] for line in lines] == ["EMSGSIZE", "ETIMEDOUT"]
        assert 290_000 < lines[1]["us"] < 800_000

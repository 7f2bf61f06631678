"""The decoder and the tap, each of whose calls fails in turn: contract/failing.c."""

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import threading
from itertools import count
from pathlib import Path

import pytest

from conftest import ROOT
from failing import counts, held, preloaded
from harness import panels
from harness.program import Event, Tap
from harness.stage import Stage
from programs import until
from instruments.taps import dial, in_thread, listen

MOST = 300  # calls of a program, of which each fails once


def sentence(program: str, told: Event, words: str) -> bool:
    """Whether standard error says which reason the failure had."""
    reason = os.strerror(getattr(errno, told["failed"]))
    return any(line.startswith(program) and reason in line for line in words.splitlines())


@pytest.mark.parametrize("name", ["raw-reqrep", "zmq-pubsub"])
def test_decode_of_which_a_call_fails(name: str, tmp_path: Path) -> None:
    """It says why it ends, with status 1; only a close may fail unnoticed."""
    recording, report = ROOT / f"tests/data/wire/{name}.tap", tmp_path / "failed.json"
    for n in count(1):
        assert n < MOST, "it makes ever more calls"
        command = [*preloaded(FAIL=n, FAILED=report), panels.BUILD / "decode", "--pcap", tmp_path / "x.pcap"]
        command.append(recording)
        done = subprocess.run(command, capture_output=True, text=True, timeout=150)
        told = json.loads(report.read_text())
        if counts(panels.BUILD / "decode"):
            if told["function"]:
                continue
            break
        assert not any(held(told).values()), told
        if not told["function"]:
            assert (done.returncode, done.stderr) == (0, "")
            break
        if told["function"] != "close":
            assert done.returncode == 1 and sentence("decode: ", told, done.stderr), (told, done)


def answer(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        connection.sendall(connection.recv(10))


def answer_all(server: socket.socket) -> None:
    """Answers the first bytes of each connection, until the listening socket is closed."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            connection.settimeout(5)
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answered(url: str) -> bool:
    """Whether a connection through the tap works."""
    with contextlib.suppress(OSError), dial(url) as client:
        client.settimeout(1)
        client.sendall(b"hello")
        return client.recv(10) == b"hello"
    return False


def silenced(report: Path) -> bool:
    """Whether it could not say something; then it goes on without."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return json.loads(report.read_text())["function"] in ("realloc", "poll", "write")
    return False


def test_tap_of_which_a_call_fails(tmp_path: Path) -> None:
    """It ends with a sentence and status 1, or it loses one connection and forwards the next one."""
    report = tmp_path / "failed.json"
    with contextlib.ExitStack() as stack:
        server, back = listen("tcp://127.0.0.1:0")
        thread = in_thread(stack, answer_all, server)
        stack.callback(lambda: (server.shutdown(socket.SHUT_RDWR), server.close()))
        stage = stack.enter_context(Stage())
        for n in count(1):
            assert n < MOST, "it makes ever more calls"
            report.unlink(missing_ok=True)
            words = (*preloaded(FAIL=n, FAILED=report), panels.BUILD / "tap", "-l", "tcp://127.0.0.1:0")
            tap = stage.start(*words, "-c", back, "--record", tmp_path / "x.tap", kind=Tap, name="tap")
            until(lambda: tap.has_line() or not tap.running or silenced(report), 10, "it is ready")
            forwards = [answered(tap.url), answered(tap.url)] if tap.heard("ready", 0) else []
            tap.signal(signal.SIGTERM)
            status, told = tap.wait(), json.loads(report.read_text())
            if status == 0:
                assert True in forwards or silenced(report), (told, forwards)
            else:
                assert status == 1 and sentence("tap: ", told, tap.stderr()), (told, tap.end(), tap.stderr())
            if not told["function"]:
                assert forwards == [True, True] and status == 0
                break
        assert thread.is_alive()

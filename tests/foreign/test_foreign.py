"""Peers that are not ours: what goes over the wire is the library's protocol and common/message.h's format.

pyzmq against zmq-*, nanocat and nngcat against both panels of nng/, Python sockets against raw-*,
each in both roles of each pattern; and socat in between.
"""

import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from programs import Stage, memory, until
from peers import EVENT, REPLY, REQUEST, Message, Peer, Raw, connect, read

zmq = pytest.importorskip("zmq")

zmq_only = pytest.mark.panels("zmq")
sp_only = pytest.mark.panels("nanomsg", "nng")
raw_only = pytest.mark.panels("raw")
cats = pytest.mark.parametrize("cat", ["nanocat", "nngcat"])

QUESTION = Message(REQUEST, b"from afar", sequence=41, sent=42)
ANSWER = Message(REPLY, b"from afar", sequence=41, sent=42)
NEWS = Message(EVENT, b"sunny", b"weather", 3, 4)


def reply_to(data: bytes) -> bytes:
    request = Message.decode(data)
    assert request.kind == REQUEST
    return Message(REPLY, request.body, b"", request.sequence, request.sent).encode()


# ZeroMQ


@pytest.fixture
def context() -> Iterator["zmq.Context"]:
    context = zmq.Context()
    context.setsockopt(zmq.LINGER, 0)
    context.setsockopt(zmq.IPV6, 1)
    context.setsockopt(zmq.RCVTIMEO, 10000)
    yield context
    context.destroy(0)


@zmq_only
def test_pyzmq_publishes_in_parts(stage: Stage, context: "zmq.Context") -> None:
    """Parts are no events: a message in parts counts as an empty one."""
    url = stage.url()
    with context.socket(zmq.PUB) as s:
        s.bind(url)
        sub = stage.driver("sub", url, timeout=200)
        sub.must("subscribe")
        until(lambda: s.send(b"first") or sub.call("recv")["result"] > 0, 10, "an event")
        while sub.call("recv")["result"] >= 0:
            pass
        for parts in (2, 1000):
            s.send_multipart([b"part"] * parts)
            s.send(b"whole")
            assert [sub.must("recv")["text"] for _ in range(2)] == ["", "whole"]
        before = memory(sub)
        for _ in range(60):  # the last part is freed, too
            s.send_multipart([b"", bytes(200_000)])
            assert sub.must("recv")["text"] == ""
        assert memory(sub) - before < 6 << 10


@zmq_only
def test_pyzmq_asks_in_parts(stage: Stage, context: "zmq.Context") -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=5000)
    with context.socket(zmq.REQ) as s:
        s.connect(url)
        for parts in (2, 1000):
            s.send_multipart([b"part"] * parts)
            assert rep.recv() == ""
            rep.must("send answer")
            assert s.recv_multipart() == [b"answer"]
        before = memory(rep)
        for _ in range(60):  # the last part is freed, too
            s.send_multipart([b"", b"", bytes(200_000)])
            assert rep.recv() == ""
            rep.must("send answer")
            s.recv()
        assert memory(rep) - before < 6 << 10


@zmq_only
def test_pyzmq_asks(stage: Stage, context: "zmq.Context") -> None:
    url = stage.url()
    stage.ready("rep", url)
    with context.socket(zmq.REQ) as s:
        s.connect(url)
        for _ in range(3):
            s.send(QUESTION.encode())
            assert Message.decode(s.recv()) == ANSWER
    context.destroy(0)


@zmq_only
def test_pyzmq_answers(stage: Stage, context: "zmq.Context") -> None:
    url = stage.url()
    with context.socket(zmq.REP) as s:
        s.bind(url)
        req = stage.ready("req", url, "-n", 3, "-t", 5000, "hello")
        for _ in range(3):
            s.send(reply_to(s.recv()))
        assert req.summary()["received"] == 3 and req.wait() == 0
    context.destroy(0)


@zmq_only
def test_pyzmq_subscribes(stage: Stage, context: "zmq.Context") -> None:
    url = stage.url()
    stage.ready("pub", url, "-T", "weather", "-T", "sport", "-n", 0, "-r", 100, "--quiet", "x")
    with context.socket(zmq.SUB) as s:
        s.subscribe(b"wea")
        s.connect(url)
        events = [Message.decode(s.recv()) for _ in range(10)]
    first = events[0].sequence
    assert [(e.topic, e.sequence) for e in events] == [(b"weather", first + i) for i in range(10)]
    context.destroy(0)


@zmq_only
def test_pyzmq_publishes(stage: Stage, context: "zmq.Context") -> None:
    url = stage.url()
    with context.socket(zmq.PUB) as s:
        s.bind(url)
        sub = stage.ready("sub", url, "-T", "wea", "-n", 1, "-t", 10000)
        until(lambda: s.send(NEWS.encode()) or sub.has_line())
        line = sub.hear("message")
        assert [line[k] for k in ("topic", "sequence", "text")] == ["weather", 3, "sunny"]
        assert sub.summary()["received"] == 1
    context.destroy(0)


# nanomsg and NNG: one protocol, two tools


class Cat:
    """nanocat or nngcat: the same options but for a few names."""

    def __init__(self, stage: Stage, cat: str, role: str, how: str, url: str, *args: str) -> None:
        if not shutil.which(cat):
            pytest.skip(f"{cat} is not installed")
        if cat == "nanocat" and "[" in url:
            pytest.skip("nanocat has no option for IPv6")
        if cat == "nngcat":
            how = {"--connect": "--dial", "--bind": "--listen"}[how]
        argv = [cat, f"--{role}", how, url, *args]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def output(self, within: float = 15) -> bytes:
        return self.process.communicate(timeout=within)[0]

    def __enter__(self) -> "Cat":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def file_of(stage: Stage, data: bytes) -> str:
    path = stage.path()
    path.write_bytes(data)
    return str(path)


@sp_only
@cats
def test_cat_asks(stage: Stage, cat: str) -> None:
    url = stage.url()
    stage.ready("rep", url)
    question = file_of(stage, QUESTION.encode())
    options = ("--file", question, "--raw", *(("--recv-timeout", "5") if cat == "nngcat" else ()))
    with Cat(stage, cat, "req", "--connect", url, *options) as tool:
        if cat == "nngcat":
            assert Message.decode(tool.output()) == ANSWER
        else:  # it goes on for ever
            assert tool.process.stdout
            data = read_pipe(tool.process, len(ANSWER.encode()))
            assert Message.decode(data) == ANSWER


def read_pipe(process: "subprocess.Popen[bytes]", n: int) -> bytes:
    assert process.stdout
    return process.stdout.read(n)


@sp_only
@cats
def test_cat_answers(stage: Stage, cat: str) -> None:
    url = stage.url()
    with Cat(stage, cat, "rep", "--bind", url, "--data", "from the cat", "--raw"):
        req = stage.driver("req", url, timeout=10000)
        for _ in range(3):
            line = req.ask("from us")
            assert line["result"] >= 0 and line["text"] == "from the cat"


@sp_only
@cats
def test_cat_subscribes(stage: Stage, cat: str) -> None:
    url = stage.url()
    stage.ready("pub", url, "-T", "weather", "-T", "sport", "-n", 0, "-r", 100, "--quiet", "12345")
    length = len(Message(EVENT, b"12345", b"weather").encode())
    with Cat(stage, cat, "sub", "--connect", url, "--subscribe", "wea", "--raw") as tool:
        events = [Message.decode(read_pipe(tool.process, length)) for _ in range(5)]
    first = events[0].sequence
    assert [(e.topic, e.sequence) for e in events] == [(b"weather", first + i) for i in range(5)]


@sp_only
@cats
def test_cat_publishes(stage: Stage, cat: str) -> None:
    url = stage.url()
    sub = stage.ready("sub", url, "-T", "wea", "-n", 1, "-t", 15000)
    news = file_of(stage, NEWS.encode())
    with Cat(stage, cat, "pub", "--bind", url, "--file", news, "--interval", "1"):
        line = sub.hear("message", seconds=15)
        assert [line[k] for k in ("topic", "sequence", "text")] == ["weather", 3, "sunny"]
        assert sub.summary()["received"] == 1


# raw: its framing is all there is


@raw_only
def test_socket_asks(stage: Stage) -> None:
    url = stage.url()
    stage.ready("rep", url)
    message = QUESTION.encode()
    with connect(url) as s:
        for number in (1, 0xFFFFFFFF, 0):
            s.sendall(struct.pack(">II", 4 + len(message), number) + message)
            assert read(s, 8) == struct.pack(">II", 4 + len(ANSWER.encode()), number)
            assert Message.decode(read(s, len(ANSWER.encode()))) == ANSWER


class Listener:
    """A listening socket at an address of ours."""

    def __init__(self, url: str) -> None:
        if url.startswith("ipc://"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(url[len("ipc://") :])
        else:
            host, _, port = url[len("tcp://") :].rpartition(":")
            self.socket = socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((host.strip("[]"), int(port)))
        self.socket.listen()
        self.socket.settimeout(10)

    def accept(self) -> socket.socket:
        s = self.socket.accept()[0]
        s.settimeout(10)
        return s

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


@raw_only
def test_socket_answers(stage: Stage) -> None:
    url = stage.url()
    with Listener(url) as listener:
        req = stage.ready("req", url, "-n", 3, "-t", 5000, "hello")
        with listener.accept() as s:
            for _ in range(3):
                frame = read(s, struct.unpack(">I", read(s, 4))[0])
                reply = frame[:4] + reply_to(frame[4:])
                s.sendall(struct.pack(">I", len(reply)) + reply)
            assert req.summary()["received"] == 3 and req.wait() == 0


@raw_only
def test_socket_subscribes(stage: Stage) -> None:
    url = stage.url()
    stage.ready("pub", url, "-T", "weather", "-T", "sport", "-n", 0, "-r", 100, "--quiet", "x")
    with Peer("raw", "sub", url) as peer:
        peer.subscribe(b"wea")
        events = [Message.decode(peer.receive()) for _ in range(10)]
        first = events[0].sequence
        assert [(e.topic, e.sequence) for e in events] == [(b"weather", first + i) for i in range(10)]
        peer.subscribe(b"sport")
        while Message.decode(peer.receive()).topic != b"sport":
            pass
        peer.socket.sendall(peer.protocol.frame(b"\0wea"))
        events = [Message.decode(peer.receive()) for _ in range(60)]
        assert {e.topic for e in events[30:]} == {b"sport"}


@raw_only
def test_socket_publishes(stage: Stage) -> None:
    url = stage.url()
    frame = Raw("pub").frame(NEWS.encode())
    with Listener(url) as listener:
        sub = stage.ready("sub", url, "-T", "wea", "-n", 1, "-t", 10000)
        with listener.accept() as s:
            assert read(s, 8) == b"\0\0\0\4\1wea"
            for byte in frame:
                s.sendall(bytes([byte]))
            line = sub.hear("message")
            assert [line[k] for k in ("topic", "sequence", "text")] == ["weather", 3, "sunny"]
            assert sub.summary()["received"] == 1


# A relay in between, that dies and comes back


@pytest.mark.transports("tcp")
def test_through_a_relay(stage: Stage) -> None:
    if not shutil.which("socat"):
        pytest.skip("socat is not installed")
    url, port = stage.url(), stage.port()
    target = url[len("tcp://") :]
    argv = ["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr", f"TCP:{target}"]
    stage.ready("rep", url, "--quiet")
    req = stage.driver("req", f"tcp://127.0.0.1:{port}", timeout=2000)
    for _ in range(2):
        relay = stage.start(*argv, stdin=subprocess.DEVNULL)  # for one connection
        try:
            until(lambda: req.ask("-x " + QUESTION.encode().hex())["result"] > 0, 10)
        finally:
            relay.kill()
        time.sleep(0.1)
    assert Path(f"/proc/{req.pid}").exists()

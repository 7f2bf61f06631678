"""The tap, seen from outside: every fault by plain sockets at its two ends."""

import contextlib
import errno
import json
import os
import pathlib
import resource
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from typing import Any, Callable, Iterator

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TAP = os.environ.get("TAP", str(ROOT / "build" / "tap"))
LIMIT = 20.0  # seconds; nothing that works takes a tenth of it
QUIET = 0.3  # seconds in which nothing must happen


class Tap:
    """A running tap; command() and event() speak to it."""

    def __init__(self, listen: str, connect: str, *options: str, **popen: Any) -> None:
        self.process = subprocess.Popen(
            [TAP, "-l", listen, "-c", connect, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **popen,
        )
        self.pending = b""
        self.events: list[dict[str, Any]] = []
        self.url = self.event("ready")["listen"]

    def event(self, *names: str, **members: Any) -> dict[str, Any]:
        """The next event of one of these names with these members; others are skipped."""
        deadline = time.monotonic() + LIMIT
        assert self.process.stdout is not None
        while True:
            while b"\n" not in self.pending:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                    raise AssertionError(f"no event {names} {members}; there were {self.events}")
                some = os.read(self.process.stdout.fileno(), 65536)
                if not some:
                    assert self.process.stderr is not None
                    raise AssertionError(f"the tap ended: {self.process.stderr.read()!r}")
                self.pending += some
            line, self.pending = self.pending.split(b"\n", 1)
            event = json.loads(line)
            self.events.append(event)
            if event["event"] in names and members.items() <= event.items():
                return event

    def write(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def command(self, text: str, answer: str = "ok") -> dict[str, Any]:
        self.write(text + "\n")
        return self.event(answer, command=text)

    def stats(self) -> dict[str, Any]:
        return self.command("stats", "stats")

    def end(self, how: int = signal.SIGTERM) -> dict[str, Any]:
        self.process.send_signal(how)
        return self.ended()

    def ended(self, status: int = 0) -> dict[str, Any]:
        summary = self.event("summary")
        assert self.process.wait(LIMIT) == status
        return summary

    def memory(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                if pipe:
                    pipe.close()


def family(url: str) -> int:
    if url.startswith("ipc"):
        return socket.AF_UNIX
    return socket.AF_INET6 if "[" in url else socket.AF_INET


def where(url: str) -> Any:
    if url.startswith("ipc://"):
        return url[6:]
    host, port = url[6:].rsplit(":", 1)
    return host.strip("[]"), int(port)


def dial(url: str) -> socket.socket:
    sock = socket.socket(family(url), socket.SOCK_STREAM)
    sock.settimeout(LIMIT)
    sock.connect(where(url))
    return sock


def listen(url: str) -> tuple[socket.socket, str]:
    sock = socket.socket(family(url), socket.SOCK_STREAM)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(where(url))
    sock.listen(512)
    sock.settimeout(LIMIT)
    if sock.family != socket.AF_UNIX:
        url = url.rsplit(":", 1)[0] + f":{sock.getsockname()[1]}"
    return sock, url


class Lab:
    """A server, a tap and clients, all closed at the end."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.stack = contextlib.ExitStack()

    def address(self, kind: str, name: str) -> str:
        return {
            "tcp": "tcp://127.0.0.1:0",
            "tcp6": "tcp://[::1]:0",
            "ipc": f"ipc://{self.folder}/{name}",
        }[kind]

    def start(self, *options: str, front: str = "tcp", back: str = "tcp", **popen: Any) -> Tap:
        self.server, url = listen(self.address(back, "server"))
        self.stack.callback(self.server.close)
        self.tap = self.only_tap(self.address(front, "tap"), url, *options, **popen)
        return self.tap

    def only_tap(self, front: str, back: str, *options: str, **popen: Any) -> Tap:
        tap = Tap(front, back, *options, **popen)
        self.stack.callback(tap.close)
        return tap

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """A client, and the server's side of its connection."""
        client = dial(self.tap.url)
        self.stack.callback(client.close)
        served, _ = self.server.accept()
        self.stack.callback(served.close)
        served.settimeout(LIMIT)
        return client, served


@pytest.fixture
def lab(tmp_path: pathlib.Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    with made.stack:
        yield made


KINDS = ["tcp", "tcp6", "ipc"]


def bytes_of(n: int, seed: int = 1) -> bytes:
    """n bytes in which no stretch repeats another at a power of two."""
    piece = b"".join(struct.pack(">I", (i * 2654435761 + seed) & 0xFFFFFFFF) for i in range(4099))
    return (piece * (n // len(piece) + 1))[:n]


def receive(sock: socket.socket, n: int) -> bytes:
    data = bytearray()
    while len(data) < n:
        some = sock.recv(min(n - len(data), 1 << 20))
        if not some:
            break
        data += some
    return bytes(data)


def receive_all(sock: socket.socket) -> bytes:
    return receive(sock, 1 << 62)


def in_thread(stack: contextlib.ExitStack, work: Callable[..., Any], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    stack.callback(thread.join, LIMIT)
    return thread


def silent(sock: socket.socket, seconds: float = QUIET) -> bool:
    return not select.select([sock], [], [], seconds)[0]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def end_of(sock: socket.socket) -> tuple[bytes, str]:
    """All that still comes, and how it ends: "end" or "reset"."""
    data = bytearray()
    try:
        while some := sock.recv(1 << 20):
            data += some
    except ConnectionResetError:
        return bytes(data), "reset"
    return bytes(data), "end"


# Forwarding


@pytest.mark.parametrize("back", KINDS)
@pytest.mark.parametrize("front", KINDS)
def test_forwards_both_ways_at_once(lab: Lab, front: str, back: str) -> None:
    tap = lab.start(front=front, back=back)
    client, served = lab.pair()
    up, down = bytes_of(5_000_000), bytes_of(4_000_000, 7)
    in_thread(lab.stack, lambda: (client.sendall(up), client.shutdown(socket.SHUT_WR)))
    in_thread(lab.stack, lambda: (served.sendall(down), served.shutdown(socket.SHUT_WR)))
    got: list[bytes] = []
    reader = in_thread(lab.stack, lambda: got.append(receive_all(client)))
    assert receive_all(served) == up
    reader.join(LIMIT)
    assert got == [down]
    close = tap.event("close", conn=1)
    assert close["how"] == "end"
    assert close["up"] == {"received": len(up), "passed": len(up)}
    assert close["down"] == {"received": len(down), "passed": len(down)}


@pytest.mark.parametrize("kind", KINDS)
def test_half_close_leaves_the_other_direction(lab: Lab, kind: str) -> None:
    tap = lab.start(front=kind, back=kind)
    client, served = lab.pair()
    client.sendall(b"all")
    client.shutdown(socket.SHUT_WR)
    assert receive_all(served) == b"all"
    for text in (b"still", b"there"):
        served.sendall(text)
        assert receive(client, 5) == text
    served.close()
    assert client.recv(1) == b""
    assert tap.event("close")["by"] == "client"


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("kind", KINDS)
def test_tells_who_closed(lab: Lab, kind: str, side: str) -> None:
    tap = lab.start(front=kind, back=kind)
    ends = dict(zip(("client", "server"), lab.pair()))
    first = ends.pop(side)
    first.close()
    (other,) = ends.values()
    assert other.recv(1) == b""
    other.close()
    assert tap.event("open")["conn"] == 1
    close = tap.event("close")
    assert (close["by"], close["how"]) == (side, "end")


def test_a_unix_peer_that_closed_is_gone_in_both_directions(lab: Lab) -> None:
    lab.start(front="ipc", back="ipc")
    client, served = lab.pair()
    client.close()
    assert served.recv(1) == b""
    wait_for(lambda: select.select([], [served], [], 0)[1] != [])
    with pytest.raises(BrokenPipeError):
        for _ in range(1000):  # not a write is accepted once the close has arrived
            served.sendall(b"x")
            time.sleep(0.001)


@pytest.mark.parametrize("kind", ["tcp", "tcp6"])
def test_a_reset_passes_as_a_reset_behind_its_bytes(lab: Lab, kind: str) -> None:
    tap = lab.start(front=kind, back=kind)
    client, served = lab.pair()
    data = bytes_of(3_000_000)
    in_thread(lab.stack, client.sendall, data).join(0.2)  # more than the buffers hold
    got = receive(served, len(data))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    with pytest.raises(ConnectionResetError):
        served.recv(1)
    assert got == data
    close = tap.event("close")
    assert (close["by"], close["how"]) == ("client", "reset")


def test_a_reset_waits_for_a_reader_of_what_came_before(lab: Lab) -> None:
    lab.start()
    client, served = lab.pair()
    data = bytes_of(100_000)
    client.sendall(data)
    wait_for(lambda: lab.tap.stats()["up"]["passed"] == len(data))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    lab.tap.event("close")
    assert end_of(served) == (data, "reset")


def test_writing_to_a_reset_peer_resets_the_writer(lab: Lab) -> None:
    lab.start()
    client, served = lab.pair()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    lab.tap.command("stall up")  # so that the reset itself does not pass
    client.close()
    served.sendall(b"x")
    assert silent(served)
    lab.tap.command("go")
    assert end_of(served) == (b"", "reset")


def test_no_server_resets_the_client_and_later_ones_are_served(lab: Lab) -> None:
    server, url = listen("tcp://127.0.0.1:0")
    server.close()
    lab.tap = lab.only_tap("tcp://127.0.0.1:0", url)
    with dial(lab.tap.url) as client, pytest.raises(ConnectionResetError):
        client.recv(1)
    refused = lab.tap.event("refused")
    assert "refused" in refused["text"].lower()
    lab.server, _ = listen(url)
    lab.stack.callback(lab.server.close)
    client, served = lab.pair()
    client.sendall(b"now")
    assert receive(served, 3) == b"now"
    summary = lab.tap.end()
    assert (summary["accepted"], summary["refused"]) == (2, 1)


def test_no_server_at_an_ipc_path(lab: Lab) -> None:
    tap = lab.only_tap(f"ipc://{lab.folder}/tap", f"ipc://{lab.folder}/nobody")
    with dial(tap.url) as client:
        assert client.recv(1) == b""
    tap.event("refused")


def test_a_full_unix_backlog_is_waited_for(lab: Lab) -> None:
    lab.start(back="ipc")
    lab.server.listen(0)  # holds one connection
    clients = [dial(lab.tap.url) for _ in range(5)]
    for i, client in enumerate(clients):
        lab.stack.callback(client.close)
        client.sendall(bytes([i]))
    seen = set()
    for _ in clients:
        served, _ = lab.server.accept()
        lab.stack.callback(served.close)
        served.settimeout(LIMIT)
        seen.add(receive(served, 1)[0])
    assert seen == set(range(5))


def test_urgent_and_later_bytes_all_arrive(lab: Lab) -> None:
    lab.start()
    client, served = lab.pair()
    client.sendall(b"one")
    client.send(b"!", socket.MSG_OOB)
    client.sendall(b"two")
    assert receive(served, 7) == b"one!two"


def test_many_connections_and_every_descriptor_comes_back(lab: Lab) -> None:
    tap = lab.start()
    before = tap.descriptors()
    for _ in range(3):
        pairs = [lab.pair() for _ in range(200)]
        for i, (client, _) in enumerate(pairs):
            client.sendall(struct.pack(">I", i))
        for i, (client, served) in enumerate(pairs):
            assert receive(served, 4) == struct.pack(">I", i)
            served.sendall(b"ok")
            assert receive(client, 2) == b"ok"
            client.close()
            served.close()
        wait_for(lambda: tap.stats()["open"] == 0)
    assert tap.descriptors() <= before + 1  # one waits for the next connection
    summary = tap.end()
    assert (summary["accepted"], summary["up"]["passed"]) == (600, 2400)


def test_a_stream_does_not_hold_up_the_others(lab: Lab) -> None:
    lab.start()
    busy, sink = lab.pair()
    stop = threading.Event()

    def flood() -> None:
        with contextlib.suppress(OSError):
            while not stop.is_set():
                busy.send(bytes(1 << 20))

    def drain() -> None:
        with contextlib.suppress(OSError):
            while sink.recv(1 << 20):
                pass

    writer = in_thread(lab.stack, flood)
    in_thread(lab.stack, drain)
    client, served = lab.pair()
    took = []
    for _ in range(50):
        start = time.monotonic()
        client.sendall(b"ping")
        served.sendall(receive(served, 4))
        receive(client, 4)
        took.append(time.monotonic() - start)
    stop.set()
    writer.join(LIMIT)
    busy.close()
    assert sorted(took)[25] < 0.1


# Backpressure and limits


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
@pytest.mark.parametrize("fault", [None, "slice 4096", "stall", "rate 1000"])
def test_a_slow_reader_slows_its_sender_in_bounded_memory(
    lab: Lab, kind: str, fault: str | None
) -> None:
    tap = lab.start(front=kind, back=kind)
    if fault:
        tap.command(fault)
    client, served = lab.pair()
    data = bytes_of(64_000_000)
    sent = 0
    client.setblocking(False)
    while select.select([], [client], [], 0.5)[1]:
        sent += client.send(data[sent : sent + 100_000])
        assert sent < len(data)
    assert tap.memory() < 16_000_000
    stats = tap.stats()
    assert stats["connections"][0]["up"]["held"] <= 256 * 1024
    tap.command("clear")
    client.settimeout(LIMIT)
    in_thread(lab.stack, lambda: (client.sendall(data[sent:]), client.close()))
    assert receive_all(served) == data


def test_out_of_descriptors_the_rest_waits(lab: Lab) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))

    tap = lab.start(preexec_fn=few)
    clients = [dial(tap.url) for _ in range(40)]
    for client in clients:
        lab.stack.callback(client.close)
        client.sendall(b"?")
    error = tap.event("error")
    assert os.strerror(errno.EMFILE) in error["text"]
    for client in clients:  # each one's end makes room for the next
        served, _ = lab.server.accept()
        served.settimeout(LIMIT)
        assert receive(served, 1) == b"?"
        served.sendall(b"!")
        served.close()
        assert receive_all(client) == b"!"
        client.close()
    summary = tap.end()
    assert (summary["accepted"], summary["refused"]) == (40, 0)
    assert len([e for e in tap.events if e["event"] == "error"]) < 20


def test_nobody_need_read_the_events(lab: Lab) -> None:
    tap = lab.start()
    for i in range(1000):  # over 300 KB of events
        client, served = lab.pair()
        client.sendall(b"x")
        assert receive(served, 1) == b"x"
        client.close()
        served.close()
    assert tap.end()["accepted"] == 1000
    assert len([e for e in tap.events if e["event"] == "close"]) == 1000


def test_events_may_have_no_reader_at_all(lab: Lab) -> None:
    tap = lab.start()
    assert tap.process.stdout is not None
    tap.process.stdout.close()
    for _ in range(10):
        client, served = lab.pair()
        client.sendall(b"x")
        assert receive(served, 1) == b"x"
        client.close()
        served.close()
    tap.process.send_signal(signal.SIGTERM)
    assert tap.process.wait(LIMIT) == 0


# Faults


def round_trip(client: socket.socket, served: socket.socket) -> float:
    start = time.monotonic()
    client.sendall(b"ping")
    served.sendall(receive(served, 4))
    receive(client, 4)
    return time.monotonic() - start


def test_delay_of_both_directions_and_of_one(lab: Lab) -> None:
    tap = lab.start("--delay", "100")
    client, served = lab.pair()
    assert 0.2 <= round_trip(client, served) < 0.4
    tap.command("delay down 0")
    assert 0.1 <= round_trip(client, served) < 0.2
    tap.command("delay up off")
    assert round_trip(client, served) < 0.1


def test_option_for_one_direction(lab: Lab) -> None:
    lab.start("--delay", "down:150")
    client, served = lab.pair()
    start = time.monotonic()
    client.sendall(b"x")
    receive(served, 1)
    assert time.monotonic() - start < 0.1
    served.sendall(b"x")
    receive(client, 1)
    assert time.monotonic() - start >= 0.15


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_delay_does_not_reduce_bandwidth(lab: Lab, kind: str) -> None:
    lab.start("--delay", "200", front=kind, back=kind)
    client, served = lab.pair()
    data = bytes_of(40_000_000)
    start = time.monotonic()
    in_thread(lab.stack, lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
    assert receive_all(served) == data
    # A queue of 256 KiB would take half a minute.
    assert 0.2 <= time.monotonic() - start < 5


def test_the_end_is_delayed_like_the_bytes(lab: Lab) -> None:
    lab.start("--delay", "150")
    client, served = lab.pair()
    start = time.monotonic()
    client.sendall(b"bye")
    client.close()
    assert receive_all(served) == b"bye"
    assert 0.15 <= time.monotonic() - start < 0.4


def test_jitter_varies_and_keeps_order(lab: Lab) -> None:
    lab.start("--jitter", "40")
    client, served = lab.pair()
    assert len({round(round_trip(client, served), 2) for _ in range(20)}) > 3
    numbers = b"".join(struct.pack(">I", i) for i in range(2000))

    def feed() -> None:
        for i in range(0, len(numbers), 40):
            client.sendall(numbers[i : i + 40])
            time.sleep(0.001)
        client.shutdown(socket.SHUT_WR)

    in_thread(lab.stack, feed)
    assert receive_all(served) == numbers


def test_order_is_kept_while_faults_come_and_go(lab: Lab) -> None:
    tap = lab.start()
    client, served = lab.pair()
    data = bytes_of(3_000_000)

    def feed() -> None:
        for i in range(0, len(data), 10_000):
            client.sendall(data[i : i + 10_000])
            time.sleep(0.001)
        client.shutdown(socket.SHUT_WR)

    feeder = in_thread(lab.stack, feed)
    got: list[bytes] = []
    reader = in_thread(lab.stack, lambda: got.append(receive_all(served)))
    while feeder.is_alive():
        for command in (
            "delay 30", "slice 700", "delay 5", "jitter 20", "rate 5000000", "stall", "go",
            "clear", "delay 0.5", "rate off", "delay 0",
        ):
            tap.command(command)
            time.sleep(0.004)
    tap.command("clear")
    reader.join(LIMIT)
    assert got == [data]


def test_clear_releases_what_is_delayed(lab: Lab) -> None:
    tap = lab.start("--delay", "60000")
    client, served = lab.pair()
    client.sendall(b"at last")
    client.shutdown(socket.SHUT_WR)
    assert silent(served)
    tap.command("clear")
    assert receive_all(served) == b"at last"


@pytest.mark.parametrize("rate", [20_000, 2_000_000])
def test_rate_is_smooth_and_exact(lab: Lab, rate: int) -> None:
    lab.start("--rate", f"up:{rate}")
    client, served = lab.pair()
    n = rate // 2
    in_thread(lab.stack, client.sendall, bytes(n))
    start = time.monotonic()
    got = 0
    while got < n:
        got += len(served.recv(65536))
        # Never ahead of the rate by more than 5 ms and the millisecond's worth of one write.
        assert got <= rate * (time.monotonic() - start + 0.02) + 1
    assert 0.4 < time.monotonic() - start < 1.0
    served.sendall(bytes(n))
    start = time.monotonic()
    receive(client, n)
    assert time.monotonic() - start < 0.4


def test_a_very_slow_rate(lab: Lab) -> None:
    lab.start("--rate", "20")
    client, served = lab.pair()
    start = time.monotonic()
    client.sendall(bytes(11))
    receive(served, 11)
    assert 0.45 < time.monotonic() - start < 1.5


def segments(sock: socket.socket) -> int:
    """Segments with data that a TCP socket received: tcpi_data_segs_in."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return int(struct.unpack_from("I", info, 152)[0])


def test_slice_makes_small_writes(lab: Lab) -> None:
    tap = lab.start()
    client, served = lab.pair()
    client.sendall(bytes(1000))
    receive(served, 1000)
    whole = segments(served)
    assert whole <= 3
    tap.command("slice up 10")
    client.sendall(bytes_of(1000))
    assert receive(served, 1000) == bytes_of(1000)
    assert segments(served) - whole >= 10  # TCP may join some of them
    up = tap.stats()["connections"][0]["up"]
    assert up["faults"] == {"slice": 10}
    assert up["writes"] >= 101


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_slices_at_a_rate_arrive_one_by_one(lab: Lab, kind: str) -> None:
    lab.start("--slice", "10", "--rate", "1000", front=kind, back=kind)
    client, served = lab.pair()
    client.sendall(bytes_of(100))
    pieces = []
    while sum(pieces) < 100:
        pieces.append(len(served.recv(4096)))
    assert all(n % 10 == 0 for n in pieces)
    assert len(pieces) >= 5  # ten, unless this process is kept from reading for 10 ms


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_stall_and_go(lab: Lab, kind: str) -> None:
    tap = lab.start(front=kind, back=kind)
    client, served = lab.pair()
    tap.command("stall up")
    client.sendall(b"request")
    served.sendall(b"down is free")
    assert receive(client, 12) == b"down is free"
    assert silent(served)
    later, later_served = lab.pair()
    later.sendall(b"also stalled")
    later.close()
    assert silent(later_served)
    tap.command("go")
    assert receive(served, 7) == b"request"
    assert receive_all(later_served) == b"also stalled"


def test_go_ends_only_the_stall(lab: Lab) -> None:
    tap = lab.start("--delay", "50")
    tap.command("stall")
    tap.command("go")
    assert tap.stats()["faults"] == {"up": {"delay_ms": 50}, "down": {"delay_ms": 50}}


def test_stall_after_bytes(lab: Lab) -> None:
    tap = lab.start("--stall", "up:1000")
    client, served = lab.pair()
    client.sendall(bytes_of(1500))
    assert receive(served, 1000) == bytes_of(1500)[:1000]
    assert silent(served)
    tap.command("stall up 100")  # counted from now: lets 100 more pass
    assert receive(served, 100) == bytes_of(1500)[1000:1100]
    assert silent(served)
    tap.command("go")
    assert receive(served, 400) == bytes_of(1500)[1100:]


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
@pytest.mark.parametrize("way", ["up", "down"])
def test_cut_after_bytes(lab: Lab, kind: str, way: str) -> None:
    tap = lab.start("--cut", f"{way}:777", front=kind, back=kind)
    client, served = lab.pair()
    sender, receiver = (client, served) if way == "up" else (served, client)
    sender.sendall(bytes_of(5000))
    assert end_of(receiver) == (bytes_of(777), "end")
    assert end_of(sender) == (b"", "end")
    close = tap.event("close")
    assert (close["by"], close["how"], close[way]["passed"]) == ("tap", "cut", 777)


@pytest.mark.parametrize("way", ["up", "down"])
def test_reset_after_bytes(lab: Lab, way: str) -> None:
    tap = lab.start("--reset", f"{way}:777")
    client, served = lab.pair()
    sender, receiver = (client, served) if way == "up" else (served, client)
    sender.sendall(bytes_of(5000))
    assert end_of(receiver) == (bytes_of(777), "reset")
    assert end_of(sender) == (b"", "reset")
    close = tap.event("close")
    assert (close["by"], close["how"], close[way]["passed"]) == ("tap", "reset", 777)


def test_a_reset_does_not_wait_for_ever_for_a_reader(lab: Lab) -> None:
    lab.start("--reset", "up:20000000")
    client, served = lab.pair()
    served.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    while select.select([], [client], [], 0.2)[1]:
        client.send(bytes(100_000))
    lab.tap.command("reset")
    client.settimeout(LIMIT)
    assert end_of(client) == (b"", "reset")
    lab.tap.event("close", how="reset")


@pytest.mark.parametrize("how,seen", [("cut", "end"), ("reset", "reset")])
def test_cut_and_reset_on_command(lab: Lab, how: str, seen: str) -> None:
    tap = lab.start()
    client, served = lab.pair()
    client.sendall(b"x")
    receive(served, 1)
    assert tap.command(how)["connections"] == 1
    assert end_of(client) == (b"", seen)
    assert end_of(served) == (b"", seen)
    client, served = lab.pair()  # later ones are not touched
    client.sendall(b"y")
    assert receive(served, 1) == b"y"


def test_cut_of_zero_bytes_closes_each_connection_at_once(lab: Lab) -> None:
    tap = lab.start("--cut", "0")
    client, served = lab.pair()
    assert end_of(client) == (b"", "end")
    assert end_of(served) == (b"", "end")
    tap.command("cut off")
    client, served = lab.pair()
    client.sendall(b"y")
    assert receive(served, 1) == b"y"


def test_a_command_for_one_connection(lab: Lab) -> None:
    tap = lab.start()
    pairs = [lab.pair() for _ in range(3)]
    assert tap.command("#2 stall")["connections"] == 1
    for client, _ in pairs:
        client.sendall(b"x")
    assert receive(pairs[0][1], 1) == receive(pairs[2][1], 1) == b"x"
    assert silent(pairs[1][1])
    tap.command("#2 reset")
    assert end_of(pairs[1][0])[1] == "reset"
    assert [c["conn"] for c in tap.stats()["connections"]] == [3, 1]
    assert [c["conn"] for c in tap.command("#3 stats", "stats")["connections"]] == [3]


# Commands


@pytest.mark.parametrize(
    "text",
    [
        "nonsense", "delay", "delay x", "delay -1", "delay 1.2345678", "delay 99999999999", "rate up",
        "rate 1e3", "slice sideways 3", "slice 1 2", "#1", "#0 cut", "#x cut", "#7 cut", "# cut",
        "#1 quit", "go 5", "stats now", "cut up 10 more", "cut 99999999999999999999", "\u00fc\"\\",
        "rate 18446744073709551617", "delay 1.", "stall up up",
    ],
)  # fmt: skip
def test_a_bad_command_is_reported_and_harms_nothing(lab: Lab, text: str) -> None:
    tap = lab.start()
    client, served = lab.pair()
    assert tap.command(text, "error")["text"]
    client.sendall(b"fine")
    assert receive(served, 4) == b"fine"
    assert tap.stats()["faults"] == {"up": {}, "down": {}}


def test_a_command_line_that_is_too_long(lab: Lab) -> None:
    tap = lab.start()
    tap.write("delay " * 5000 + "\nstats\n")
    assert "too long" in tap.event("error")["text"]
    assert tap.event("stats")["faults"] == {"up": {}, "down": {}}


def test_bytes_that_are_no_text_are_answered_in_json(lab: Lab) -> None:
    tap = lab.start()
    assert tap.process.stdin is not None
    tap.process.stdin.write(b"\xff\xfe\x01\n\n   \n\0\nstats\n")
    tap.process.stdin.flush()
    assert tap.event("error", "stats")["event"] == "error"
    tap.event("stats")


def test_commands_in_pieces_and_several_at_once(lab: Lab) -> None:
    tap = lab.start()
    tap.write("del")
    time.sleep(0.05)
    tap.write("ay 7\nslice 3\nstats\n")
    assert tap.event("stats")["faults"]["down"] == {"delay_ms": 7, "slice": 3}


def test_commands_from_a_file(lab: Lab) -> None:
    server, url = listen("tcp://127.0.0.1:0")
    commands = lab.folder / "commands"
    commands.write_text("delay 3\nstats\nquit")
    with server, commands.open() as file:
        done = subprocess.run(
            [TAP, "-l", "tcp://127.0.0.1:0", "-c", url], stdin=file, capture_output=True, timeout=LIMIT
        )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["event"] for e in events] == ["ready", "ok", "stats", "ok", "summary"]
    assert done.returncode == 0


# Beginning and end


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_in_good_order(lab: Lab, how: int) -> None:
    tap = lab.start(front="ipc")
    client, served = lab.pair()
    client.sendall(b"abc")
    assert receive(served, 3) == b"abc"
    summary = tap.end(how)
    assert summary["up"] == {"received": 3, "passed": 3}
    assert end_of(client) == end_of(served) == (b"", "end")
    assert not (lab.folder / "tap").exists()


def test_sigint_works_in_a_shell_s_background(lab: Lab) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    lab.start(preexec_fn=ignore).end(signal.SIGINT)


def test_quit(lab: Lab) -> None:
    tap = lab.start()
    tap.command("quit")
    tap.ended()


def test_the_end_of_input_changes_nothing(lab: Lab) -> None:
    tap = lab.start()
    client, served = lab.pair()
    assert tap.process.stdin is not None
    tap.process.stdin.close()
    tap.process.stdin = None
    assert silent(client)
    client.sendall(b"on")
    assert receive(served, 2) == b"on"
    tap.end()


def test_until_eof(lab: Lab) -> None:
    tap = lab.start("--until-eof")
    assert tap.process.stdin is not None
    tap.process.stdin.close()
    tap.process.stdin = None
    tap.ended()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TAP, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT
    )


FRONT = ("-l", "tcp://127.0.0.1:0")
BACK = ("-c", "tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    "arguments",
    [
        (), FRONT, BACK, (*FRONT, *BACK, "more"), (*FRONT, *BACK, "--delay", "x"),
        (*FRONT, *BACK, "--rate", "left:3"), (*FRONT, *BACK, "--cut", "up"), (*FRONT, *BACK, "--nonsense"),
        (*FRONT, "-c", "tcp://127.0.0.1:0"), (*FRONT, "-c", "tcp://127.0.0.1:65536"),
        (*FRONT, "-c", "tcp://127.0.0.1:-1"), (*FRONT, "-c", "tcp://127.0.0.1:22a"), (*FRONT, "-c", "tcp://::1:5"),
        (*FRONT, "-c", "tcp://:5"), (*FRONT, "-c", "tcp://*:5"), (*FRONT, "-c", "udp://127.0.0.1:5"),
        (*FRONT, "-c", "ipc://relative"), ("-l", "ipc:///" + "x" * 107, *BACK), ("-l", "ipc:///", *BACK),
    ],
)  # fmt: skip
def test_usage_errors(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("tap: ") or "tap: " in done.stderr
    assert done.stdout == ""


def test_help_and_version() -> None:
    for option in ("-h", "-V"):
        done = run(option)
        assert (done.returncode, done.stderr) == (0, "")
        assert "tap" in done.stdout


def test_a_taken_port_is_refused(lab: Lab) -> None:
    server, url = listen("tcp://127.0.0.1:0")
    with server:
        done = run("-l", url, *BACK)
    assert done.returncode == 1
    assert url in done.stderr and "in use" in done.stderr


def test_a_dead_tap_s_path_is_replaced(lab: Lab) -> None:
    tap = lab.start(front="ipc")
    tap.process.kill()
    tap.process.wait(LIMIT)
    assert (lab.folder / "tap").exists()
    lab.tap = lab.only_tap(f"ipc://{lab.folder}/tap", "tcp://127.0.0.1:9")
    lab.tap.end()
    assert not (lab.folder / "tap").exists()


def test_a_live_server_s_path_is_refused_without_disturbing_it(lab: Lab) -> None:
    path = lab.folder / "live"
    server, url = listen(f"ipc://{path}")
    with server:
        done = run("-l", url, *BACK)
        assert done.returncode == 1
        assert "in use" in done.stderr
        server.settimeout(QUIET)
        with pytest.raises(TimeoutError):
            server.accept()
    assert path.exists()


def test_a_file_at_the_path_is_refused_and_stays(lab: Lab) -> None:
    path = lab.folder / "file"
    path.write_text("precious")
    done = run("-l", f"ipc://{path}", *BACK)
    assert done.returncode == 1
    assert path.read_text() == "precious"


def test_a_path_taken_over_by_another_is_left_to_it(lab: Lab) -> None:
    tap = lab.start(front="ipc")
    path = lab.folder / "tap"
    path.unlink()
    path.write_text("another's")
    tap.end()
    assert path.read_text() == "another's"


# Recording

OPEN, DATA, PASS, SHUT, RESET, CLOSE, NOTE, END = range(1, 9)


def records(path: pathlib.Path) -> list[tuple[int, int, int, int, bytes]]:
    """(type, direction, connection, time, data) of each, by the letter of RECORD.md."""
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


def test_the_recording_of_a_small_exchange(lab: Lab) -> None:
    path = lab.folder / "small.tap"
    tap = lab.start("--record", str(path), front="ipc")
    client, served = lab.pair()
    client.sendall(b"question")
    served.sendall(receive(served, 8)[::-1])
    receive(client, 8)
    tap.command("delay up 1")
    client.shutdown(socket.SHUT_WR)
    receive_all(served)
    served.close()
    tap.event("close")
    assert tap.end()["recording"] == "complete"
    found = records(path)
    peer = "tcp://127.0.0.1:%d" % lab.server.getsockname()[1]
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
def test_the_recording_loses_and_reorders_nothing(lab: Lab, fault: str | None) -> None:
    path = lab.folder / "large.tap"
    tap = lab.start("--record", str(path))
    if fault:
        tap.command(fault)
    sent = [bytes_of(2_000_000, i) for i in range(4)]
    for i, data in enumerate(sent):
        client, served = lab.pair()
        in_thread(lab.stack, lambda c=client, d=data: (c.sendall(d), c.shutdown(socket.SHUT_WR)))
        in_thread(lab.stack, lambda s=served: (s.sendall(receive_all(s)), s.close()))
        assert receive_all(client) == data
        tap.event("close", conn=i + 1)
        client.close()
    tap.end()
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


def test_reset_and_pieces_in_the_recording(lab: Lab) -> None:
    path = lab.folder / "reset.tap"
    tap = lab.start("--record", str(path), "--stall", "3")
    client, served = lab.pair()
    client.sendall(b"abcdef")
    assert receive(served, 3) == b"abc"
    wait_for(lambda: tap.stats()["up"]["received"] == 6)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    tap.command("flush")
    wait_for(lambda: [k for k, *_ in records(path)][-1] == RESET)
    tap.process.kill()  # what was flushed is there all the same
    tap.process.wait(LIMIT)
    assert [(k, d) for k, _, _, _, d in records(path)[1:]] == [
        (DATA, b"abcdef"),
        (PASS, struct.pack(">Q", 3)),
        (RESET, b""),
    ]


def test_what_is_buffered_is_written_soon(lab: Lab) -> None:
    path = lab.folder / "soon.tap"
    lab.start("--record", str(path))
    client, served = lab.pair()
    client.sendall(b"x")
    receive(served, 1)
    wait_for(lambda: [k for k, *_ in records(path)] == [OPEN, DATA, PASS])


def test_a_recording_that_cannot_begin(lab: Lab) -> None:
    for path in ("/dev/full", str(lab.folder / "no" / "such")):
        done = run(*FRONT, *BACK, "--record", path)
        assert done.returncode == 1
        assert path in done.stderr


def test_a_full_disk_is_reported_and_the_forwarding_goes_on(lab: Lab) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    path = lab.folder / "full.tap"
    tap = lab.start("--record", str(path), preexec_fn=little)
    client, served = lab.pair()
    data = bytes_of(3_000_000)
    in_thread(lab.stack, lambda: (client.sendall(data), client.close()))
    assert receive_all(served) == data
    assert os.strerror(errno.EFBIG) in tap.event("error")["text"]
    tap.command("flush", "error")
    tap.process.send_signal(signal.SIGTERM)
    assert tap.ended(1)["recording"] == "incomplete"

"""The tap hurts: every fault, seen from outside by plain sockets at its two ends."""

import select
import socket
import struct
import time

import pytest

from taps import (
    LIMIT,
    Rig,
    bytes_of,
    end_of,
    in_thread,
    receive,
    receive_all,
    send_and_shut,
    silent,
    wait_for,
)


def one_way(sender: socket.socket, receiver: socket.socket) -> float:
    start = time.monotonic()
    sender.sendall(b"ping")
    receive(receiver, 4)
    return time.monotonic() - start


def takes(sender: socket.socket, receiver: socket.socket, least: float, below: float) -> bool:
    """Whether the shortest of several times lies there: a busy machine makes any of them longer."""
    shortest = min(one_way(sender, receiver) for _ in range(5))
    for _ in range(30):
        if shortest < below:
            break
        shortest = min(shortest, one_way(sender, receiver))
    return least <= shortest < below


@pytest.mark.heavy
def test_delay_of_both_directions_and_of_one(rig: Rig) -> None:
    tap = rig.start("--delay", "100")
    client, served = rig.pair()
    assert takes(client, served, 0.1, 0.2) and takes(served, client, 0.1, 0.2)
    tap.command("delay down 0")
    assert takes(client, served, 0.1, 0.2) and takes(served, client, 0.0, 0.1)
    tap.command("delay up off")
    assert takes(client, served, 0.0, 0.1) and takes(served, client, 0.0, 0.1)


@pytest.mark.heavy
def test_option_for_one_direction(rig: Rig) -> None:
    rig.start("--delay", "down:100.5")
    client, served = rig.pair()
    assert takes(client, served, 0.0, 0.1) and takes(served, client, 0.1005, 0.2)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_delay_does_not_reduce_bandwidth(rig: Rig, kind: str) -> None:
    rig.start("--delay", "200", front=kind, back=kind)
    client, served = rig.pair()
    data = bytes_of(40_000_000)
    start = time.monotonic()
    in_thread(rig.stack, send_and_shut, client, data)
    assert receive_all(served) == data
    # A queue of 256 KiB would take half a minute.
    assert 0.2 <= time.monotonic() - start < 10


@pytest.mark.parametrize("last", [b"", b"bye"])
def test_the_end_is_delayed_like_the_bytes(rig: Rig, last: bytes) -> None:
    rig.start("--delay", "150")
    client, served = rig.pair()
    start = time.monotonic()
    client.sendall(last)
    client.close()
    assert receive_all(served) == last
    assert 0.15 <= time.monotonic() - start < 5


def test_a_shorter_delay_does_not_overtake_a_longer_one(rig: Rig) -> None:
    tap = rig.start("--delay", "300")
    client, served = rig.pair()
    client.sendall(b"one")
    wait_for(lambda: bool(tap.stats()["up"]["received"] == 3))
    tap.command("delay 0")
    client.sendall(b"two")
    assert receive(served, 6) == b"onetwo"


def test_order_is_kept_while_faults_come_and_go(rig: Rig) -> None:
    tap = rig.start()
    client, served = rig.pair()
    data = bytes_of(3_000_000)

    def feed() -> None:
        for i in range(0, len(data), 10_000):
            client.sendall(data[i : i + 10_000])
            time.sleep(0.001)
        client.shutdown(socket.SHUT_WR)

    feeder = in_thread(rig.stack, feed)
    got: list[bytes] = []
    reader = in_thread(rig.stack, lambda: got.append(receive_all(served)))
    while feeder.is_alive():
        for command in (
            "delay 30", "slice 700", "delay 5", "rate 5000000", "stall", "go",
            "clear", "delay 0.5", "rate off", "delay 0",
        ):
            tap.command(command)
            time.sleep(0.004)
    tap.command("clear")
    reader.join(LIMIT)
    assert got == [data]


def test_clear_releases_what_is_delayed(rig: Rig) -> None:
    tap = rig.start("--delay", "60000")
    client, served = rig.pair()
    client.sendall(b"at last")
    client.shutdown(socket.SHUT_WR)
    assert silent(served)
    tap.command("clear")
    assert receive_all(served) == b"at last"


@pytest.mark.heavy
@pytest.mark.parametrize("rate", [20_000, 2_000_000])
def test_rate_is_smooth_and_exact(rig: Rig, rate: int) -> None:
    rig.start("--rate", f"up:{rate}")
    client, served = rig.pair()
    n = rate // 2
    start = time.monotonic()
    in_thread(rig.stack, client.sendall, bytes(n))
    got = 0
    while got < n:
        got += len(served.recv(65536))
        # Never ahead of the rate by more than 5 ms and the millisecond's worth of one write.
        assert got <= rate * (time.monotonic() - start + 0.02) + 1
    assert 0.4 < time.monotonic() - start < 5
    served.sendall(bytes(n))
    receive(client, n)
    assert rig.tap.stats()["connections"][0]["down"]["faults"] == {}


def test_a_very_slow_rate(rig: Rig) -> None:
    rig.start("--rate", "20")
    client, served = rig.pair()
    start = time.monotonic()
    client.sendall(bytes(11))
    receive(served, 11)
    assert 0.45 < time.monotonic() - start < 5


def segments(sock: socket.socket) -> int:
    """Segments with data that a TCP socket received: tcpi_data_segs_in."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return int(struct.unpack_from("I", info, 152)[0])


def test_slice_makes_small_writes(rig: Rig) -> None:
    tap = rig.start()
    client, served = rig.pair()
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
def test_slices_at_a_rate_arrive_one_by_one(rig: Rig, kind: str) -> None:
    tap = rig.start("--slice", "10", "--rate", "1000", front=kind, back=kind)
    client, served = rig.pair()
    start = time.monotonic()
    client.sendall(bytes_of(100))
    pieces: list[int] = []
    while sum(pieces) < 100:
        pieces.append(len(served.recv(4096)))
        assert sum(pieces) <= 1000 * (time.monotonic() - start) + 10  # none before its time
    # Ten pieces, unless this process is kept from reading for 10 ms: two then arrive as one.
    assert all(n % 10 == 0 for n in pieces)
    assert tap.stats()["connections"][0]["up"]["writes"] >= 10


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_stall_and_go(rig: Rig, kind: str) -> None:
    tap = rig.start(front=kind, back=kind)
    client, served = rig.pair()
    tap.command("stall up")
    client.sendall(b"request")
    served.sendall(b"down is free")
    assert receive(client, 12) == b"down is free"
    assert silent(served)
    later, later_served = rig.pair()
    later.sendall(b"also stalled")
    later.close()
    assert silent(later_served)
    tap.command("go")
    assert receive(served, 7) == b"request"
    assert receive_all(later_served) == b"also stalled"


def test_go_ends_only_the_stall(rig: Rig) -> None:
    tap = rig.start("--delay", "50")
    tap.command("stall")
    tap.command("go")
    assert tap.stats()["faults"] == {"up": {"delay_ms": 50}, "down": {"delay_ms": 50}}


def test_stall_after_bytes(rig: Rig) -> None:
    tap = rig.start("--stall", "up:1000")
    client, served = rig.pair()
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
def test_cut_after_bytes(rig: Rig, kind: str, way: str) -> None:
    tap = rig.start("--cut", f"{way}:777", front=kind, back=kind)
    client, served = rig.pair()
    sender, receiver = (client, served) if way == "up" else (served, client)
    sender.sendall(bytes_of(5000))
    assert end_of(receiver) == (bytes_of(777), "end")
    assert end_of(sender) == (b"", "end")
    close = tap.event("close")
    assert (close["by"], close["how"], close[way]["passed"]) == ("tap", "cut", 777)


def test_a_cut_delivers_what_had_passed_although_more_is_unread(rig: Rig) -> None:
    tap = rig.start("--stall", "up:0")
    client, served = rig.pair()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    data = bytes_of(200_000)  # most of it waits in the tap's kernel buffer
    served.sendall(data)
    wait_for(lambda: bool(tap.stats()["down"]["passed"] == len(data)))
    client.setblocking(False)
    while select.select([], [client], [], 0.2)[1]:  # far more than the tap reads
        client.send(bytes(100_000))
    tap.command("cut")
    client.settimeout(LIMIT)
    assert end_of(client) == (data, "end")


@pytest.mark.parametrize("way", ["up", "down"])
def test_reset_after_bytes(rig: Rig, way: str) -> None:
    tap = rig.start("--reset", f"{way}:777")
    client, served = rig.pair()
    sender, receiver = (client, served) if way == "up" else (served, client)
    sender.sendall(bytes_of(5000))
    assert end_of(receiver) == (bytes_of(777), "reset")
    assert end_of(sender) == (b"", "reset")
    close = tap.event("close")
    assert (close["by"], close["how"], close[way]["passed"]) == ("tap", "reset", 777)


def test_a_reset_does_not_wait_for_ever_for_a_reader(rig: Rig) -> None:
    rig.start("--reset", "up:20000000")
    client, served = rig.pair()
    served.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    client.setblocking(False)
    while select.select([], [client], [], 0.2)[1]:
        client.send(bytes(100_000))
    rig.tap.command("reset")
    client.settimeout(LIMIT)
    assert end_of(client) == (b"", "reset")
    rig.tap.event("close", how="reset")


@pytest.mark.parametrize("how,seen", [("cut", "end"), ("reset", "reset")])
def test_cut_and_reset_on_command(rig: Rig, how: str, seen: str) -> None:
    tap = rig.start()
    client, served = rig.pair()
    client.sendall(b"x")
    receive(served, 1)
    assert tap.command(how)["connections"] == 1
    assert end_of(client) == (b"", seen)
    assert end_of(served) == (b"", seen)
    client, served = rig.pair()  # later ones are not touched
    client.sendall(b"y")
    assert receive(served, 1) == b"y"


def test_cut_of_zero_bytes_closes_each_connection_at_once(rig: Rig) -> None:
    tap = rig.start("--cut", "0")
    client, served = rig.pair()
    assert end_of(client) == (b"", "end")
    assert end_of(served) == (b"", "end")
    tap.command("cut off")
    client, served = rig.pair()
    client.sendall(b"y")
    assert receive(served, 1) == b"y"


def test_a_command_for_one_connection(rig: Rig) -> None:
    tap = rig.start()
    pairs = [rig.pair() for _ in range(3)]
    assert tap.command("#2 stall")["connections"] == 1
    for client, _ in pairs:
        client.sendall(b"x")
    assert receive(pairs[0][1], 1) == receive(pairs[2][1], 1) == b"x"
    assert silent(pairs[1][1])
    tap.command("#2 reset")
    assert end_of(pairs[1][0])[1] == "reset"
    assert [c["conn"] for c in tap.stats()["connections"]] == [3, 1]
    assert [c["conn"] for c in tap.command("#3 stats")["connections"]] == [3]

"""Captures that `decode` writes, seen by Wireshark's own tools; the dissector against the decoder.

Both read the same bytes, the dissector after TCP has carried them; they must agree on every field:
its name, its place, its length and its bytes.
"""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import recording
from recording import DOWN, UP, Record
from test_wire_decode import RAW, SAMPLES, decode, elements, events, frame, message, run, zmtp

ROOT = Path(__file__).resolve().parent.parent
DISSECTOR = ROOT / "wire" / "triptych.lua"
PROTOCOLS = ("zmtp", "sp", "triptych_raw", "triptych")
__all__ = ["decode"]  # the fixture

CASES: dict[str, list[Record]] = {path.stem: recording.read(path) for path in SAMPLES}
CASES["raw-reqrep-made"] = recording.exchange(*RAW["reqrep"])
CASES["raw-pubsub-made"] = recording.exchange(*RAW["pubsub"])
CASES["raw-ipc-made"] = recording.exchange(*RAW["reqrep"], server="ipc:///tmp/a")
CASES["raw-many"] = recording.exchange(
    *((UP, frame(bytes([0, 0, 0, n]) + message(1, bytes(n * 50)))) for n in range(1, 40)),
    *((DOWN, frame(bytes([0, 0, 0, n]) + message(2, bytes(n * 50)))) for n in range(1, 40)),
)
CASES["raw-large"] = recording.exchange((UP, frame(b"\0\0\0\1" + message(1, bytes(300_000)))))
CASES["tcp6"] = recording.exchange(*RAW["pubsub"], server="tcp://[::1]:5555")


def tshark(*arguments: object) -> str:
    command = ["tshark", "-n", "-X", f"lua_script:{DISSECTOR}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    complaints = [line for line in done.stderr.splitlines() if "Running as user" not in line]
    assert not complaints
    return done.stdout


def capture(decode: Path, records: list[Record], folder: Path) -> tuple[Path, Path]:
    """The recording's file and the capture made of it."""
    tap, pcap = folder / "a.tap", folder / "a.pcap"
    recording.write(tap, records)
    run(decode, "--pcap", pcap, tap)
    return tap, pcap


Row = tuple[str, int, str]  # field, length, bytes in hex


def dissected(pcap: Path) -> dict[str, list[Row]]:
    """What the dissector found, in the order of the bytes, by source address and port."""
    found: dict[str, list[Row]] = {}
    for packet in ElementTree.fromstring(tshark("-r", pcap, "-T", "pdml")).iter("packet"):
        protos = {proto.get("name"): proto for proto in packet.findall("proto")}
        assert "_ws.malformed" not in protos and "Lua Error" not in str(ElementTree.tostring(packet))
        source = protos.get("ip", protos.get("ipv6"))
        assert source is not None
        address = next(f.get("show") for f in source.iter("field") if f.get("name", "").endswith(".src"))
        port = next(f.get("show") for f in packet.iter("field") if f.get("name") == "tcp.srcport")
        rows = found.setdefault(f"{address} {port}", [])
        for proto in packet.findall("proto"):
            if proto.get("name") in PROTOCOLS:
                for field in proto.iter("field"):
                    name = field.get("name", "")
                    if name.split(".")[0] in ("zmtp", "sp", "raw", "message", "unknown"):
                        size = int(field.get("size", "0"))
                        rows.append((name, size, field.get("value", "")[: 2 * size]))
    return {key: rows for key, rows in found.items() if rows}


def decoded(decode: Path, tap: Path) -> list[list[Row]]:
    """The same of our own decoder, a list for each direction of each connection that has any."""
    found: dict[tuple[int, str], list[Row]] = {}
    for e in elements(decode, "--show", 1 << 20, tap):
        row = (e["field"], e["length"], e["hex"])
        found.setdefault((e["connection"], e["direction"]), []).append(row)
    return list(found.values())


def compare(decode: Path, records: list[Record], folder: Path) -> None:
    tap, pcap = capture(decode, records, folder)
    theirs = dissected(pcap)
    ours = decoded(decode, tap)
    assert sorted(theirs.values()) == sorted(ours)


@pytest.mark.parametrize("name", CASES)
def test_the_dissector_agrees_with_the_decoder(decode: Path, name: str, tmp_path: Path) -> None:
    compare(decode, CASES[name], tmp_path)


@pytest.mark.parametrize("size", [1, 3, 20])
@pytest.mark.parametrize("name", [n for n in CASES if n not in ("raw-large", "raw-many")])
def test_the_same_in_slices(decode: Path, name: str, size: int, tmp_path: Path) -> None:
    compare(decode, recording.resplit(CASES[name], size), tmp_path)


def test_several_messages_in_a_segment(decode: Path, tmp_path: Path) -> None:
    joined = b"".join(data for way, data in RAW["reqrep"] if way == UP) * 5
    compare(decode, recording.exchange((UP, joined[:-7]), (UP, joined[-7:])), tmp_path)


def test_what_is_not_understood_is_said(decode: Path, tmp_path: Path) -> None:
    _, pcap = capture(decode, recording.exchange((UP, zmtp(b"\x48abc"))), tmp_path)
    rows = next(iter(dissected(pcap).values()))
    assert rows[-1] == ("unknown.bytes", 4, "48616263")


def test_others_are_left_alone(decode: Path, tmp_path: Path) -> None:
    """What is none of ours is claimed by none of ours, and remains what it was."""
    http = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    tls = bytes.fromhex("16030100a5010000a10303") + bytes(range(158))
    for data in (http, tls, b"\0\0\0\0\0\0", b"\xff" * 30):
        _, pcap = capture(decode, recording.exchange((UP, data)), tmp_path)
        assert dissected(pcap) == {}


def test_decode_as(decode: Path, tmp_path: Path) -> None:
    """A capture that begins in the middle: the first frames, which tell, are missing."""
    data = frame(b"\0\0\0\1" + b"not ours") * 3
    _, pcap = capture(decode, recording.exchange((UP, data)), tmp_path)
    assert dissected(pcap) == {}
    said = tshark("-r", pcap, "-d", "tcp.port==5555,triptych_raw", "-T", "fields", "-e", "raw.length")
    assert said.split() == ["12,12,12"]


def test_filters_and_columns(decode: Path, tmp_path: Path) -> None:
    _, pcap = capture(decode, CASES["zmq-reqrep"], tmp_path)
    said = tshark("-r", pcap, "-Y", "message.kind == 2 && zmtp.length")
    assert len(said.splitlines()) == 1
    assert "ZMTP" in said and "[reply 1, 5 bytes]" in said


@pytest.mark.parametrize("name", CASES)
def test_captures_are_valid(decode: Path, name: str, tmp_path: Path) -> None:
    records = CASES[name]
    _, pcap = capture(decode, records, tmp_path)
    said = subprocess.run(["capinfos", "-M", "-T", "-r", "-c", "-o", pcap], capture_output=True, text=True)
    assert said.returncode == 0
    assert said.stdout.rstrip().endswith("True")  # in the order of time

    options = [f"-o{o}:TRUE" for o in ("tcp.check_checksum", "ip.check_checksum")]
    expert = tshark("-r", pcap, *options, "-q", "-z", "expert,note").replace("connection closing", "")
    for wrong in ("Errors", "Warns", "Retransmission", "unseen", "Out-Of-Order"):
        assert wrong not in expert, expert
    bad = tshark("-r", pcap, *options, "-Y", "tcp.checksum.status == 0 || ip.checksum.status == 0")
    assert bad == ""

    rows = tshark("-r", pcap, "-T", "fields", "-e", "tcp.stream", "-e", "tcp.srcport", "-e", "tcp.payload")
    carried: dict[tuple[str, str], bytes] = {}
    for line in rows.splitlines():
        stream, port, payload = line.split("\t")
        if payload:
            carried[stream, port] = carried.get((stream, port), b"") + bytes.fromhex(payload)
    assert sorted(carried.values()) == sorted(recording.streams(records).values())


def test_totals(decode: Path, tmp_path: Path) -> None:
    """Bytes and messages, counted by tshark and by the decoder."""
    for name in ("zmq-reqrep", "nng-reqrep", "raw-many"):
        tap, pcap = capture(decode, CASES[name], tmp_path)
        totals = [e for e in events(decode, tap) if e["event"] == "totals"]
        flow = tshark("-r", pcap, "-T", "fields", "-e", "tcp.len")
        assert sum(map(int, flow.split())) == sum(t["bytes"] for t in totals)
        kinds = tshark("-r", pcap, "-T", "fields", "-e", "message.kind").replace(",", " ")
        assert len(kinds.split()) == sum(t["messages"] for t in totals)


def test_resets_and_ends(decode: Path, tmp_path: Path) -> None:
    records = recording.exchange(*RAW["reqrep"])
    at = next(i for i, r in enumerate(records) if r.kind == recording.SHUT)
    reset = Record(recording.RESET, b"", DOWN, time=records[at].time)
    _, pcap = capture(decode, [*records[:at], reset, *records[at + 2 :]], tmp_path)
    flags = tshark("-r", pcap, "-T", "fields", "-e", "tcp.flags.reset", "-e", "tcp.flags.fin")
    assert flags.split("\n").count("1\t0") == 1 and "1\t1" not in flags
    _, pcap = capture(decode, records, tmp_path)
    flags = tshark("-r", pcap, "-T", "fields", "-e", "tcp.flags.fin")
    assert flags.split().count("1") == 2

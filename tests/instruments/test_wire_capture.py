"""Captures that `decode` writes, seen by Wireshark's own tools; the dissector against the decoder.

Both read the same bytes, the dissector after TCP has carried them; they must agree on every field:
its name, its place, its length and its bytes.
"""

from __future__ import annotations

import os
import random
import subprocess
import xml.etree.ElementTree as ElementTree
from contextlib import ExitStack
from pathlib import Path

import pytest

import recording
from conftest import ROOT
from recording import DOWN, UP, Record
from test_wire_decode import SAMPLES, decode, elements, events, run, zmtp
from wire_cases import CASES as FIELD, FOREIGN, RAW, REVOKED, expected, frame, line, message

DISSECTOR = ROOT / "tools" / "wire" / "triptych.lua"
PROTOCOLS = ("triptych_zmtp", "triptych_sp", "triptych_raw", "triptych")
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


def tshark(*arguments: object, plugin: bool = True) -> str:
    """What tshark prints with our dissector. From 4.4 on it runs no script as root, so root's runs
    as nobody, who can open descriptors but enter no folder of root's."""
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with ExitStack() as stack:

        def opened(path: Path) -> str:
            descriptors.append(stack.enter_context(open(path, "rb")).fileno())
            return f"/proc/self/fd/{descriptors[-1]}"

        descriptors: list[int] = []
        command = ["tshark", "-n", *(["-X", f"lua_script:{opened(DISSECTOR)}"] if plugin else [])]
        command += [opened(word) if isinstance(word, Path) else str(word) for word in arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, cwd="/", pass_fds=descriptors,
            env={**os.environ, "HOME": "/nonexistent"}, **nobody,
        )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def capture(decode: Path, folder: Path, *recordings: list[Record]) -> tuple[list[Path], Path]:
    """The recordings' files and the one capture made of them."""
    taps = [recording.write(folder / f"{n}.tap", records) for n, records in enumerate(recordings)]
    run(decode, "--pcap", folder / "a.pcap", *taps)
    return taps, folder / "a.pcap"


Row = tuple[str, int, str]  # field, length, bytes in hex


def dissected(pcap: Path) -> list[list[Row]]:
    """What the dissector found, in the order of the bytes, for each direction of each stream."""
    return [rows for _, rows in sorted(dissected_by_stream(pcap).items()) if rows]


def dissected_by_stream(pcap: Path) -> dict[tuple[int, str], list[Row]]:
    found: dict[tuple[int, str], list[Row]] = {}
    spoken = " || ".join((*PROTOCOLS[:3], "_ws.malformed"))
    wanted = " ".join(("ip", "ipv6", "tcp", "_ws.malformed", *PROTOCOLS))
    pdml = tshark("-2", "-r", pcap, "-Y", spoken, "-j", wanted, "-T", "pdml")
    for packet in ElementTree.fromstring(pdml).iter("packet"):
        shown = {f.get("name"): f.get("show", "") for f in packet.iter("field")}
        protos = {proto.get("name") for proto in packet.findall("proto")}
        assert "_ws.malformed" not in protos or not protos.intersection(PROTOCOLS)
        assert not [n for n in shown if n and n.startswith("_ws.lua.") and n != "_ws.lua.fake"]
        rows = found.setdefault((int(shown["tcp.stream"]), shown["tcp.srcport"]), [])
        for proto in packet.findall("proto"):
            if proto.get("name") in PROTOCOLS:
                for field in proto.iter("field"):
                    name = field.get("name", "")
                    if name.split(".")[0] in ("zmtp", "sp", "raw", "message", "unknown"):
                        size = int(field.get("size", "0"))
                        rows.append((name, size, field.get("value", "")[: 2 * size]))
    return found


def decoded(decode: Path, taps: list[Path]) -> list[list[Row]]:
    """The same of our own decoder."""
    found: dict[tuple[Path, int, str], list[Row]] = {}
    for tap in taps:
        for e in elements(decode, "--show", 1 << 20, tap):
            row = (e["field"], e["length"], e["hex"])
            found.setdefault((tap, e["connection"], e["direction"]), []).append(row)
    return list(found.values())


def compare(decode: Path, folder: Path, *recordings: list[Record]) -> None:
    taps, pcap = capture(decode, folder, *recordings)
    theirs, ours = dissected(pcap), decoded(decode, taps)
    for rows in ours:
        assert rows in theirs
    assert sorted(theirs) == sorted(ours)


def test_the_dissector_agrees_with_the_decoder(decode: Path, tmp_path: Path) -> None:
    compare(decode, tmp_path, *CASES.values())


def test_the_dissector_agrees_with_the_table(decode: Path, tmp_path: Path) -> None:
    """The dissector says of each case what the table says, which the decoder says as well."""
    table = expected()
    _, pcap = capture(decode, tmp_path, *(recording.exchange(*parts) for parts in FIELD.values()))
    found = dissected_by_stream(pcap)
    for number, name in enumerate(FIELD):
        for way, port in (("up", "41000"), ("down", "5555")):
            text = next(t for t in table[name] if t.startswith(way + ":"))[len(way) + 1 :].strip()
            rows = found.get((number, port), [])
            mine = line([(field, length) for field, length, _ in rows])
            claimed = not text.startswith("unknown.")  # what is none of ours is claimed by none of ours
            whole = text.split(", unknown.incomplete")[0] if claimed else ""
            assert mine == whole, (name, way)


def damaged(dice: random.Random, parts: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Bytes changed, lost, added, or the rest of a part gone."""
    found = [(way, bytearray(data)) for way, data in parts]
    for _ in range(dice.randrange(1, 4)):
        data = dice.choice(found)[1] or bytearray(b"x")
        at, many = dice.randrange(len(data)), dice.randrange(1, 9)
        change = dice.randrange(5)
        if change == 0:
            data[at] ^= 1 << dice.randrange(8)
        elif change == 1:
            del data[at : at + many]
        elif change == 2:
            data[at:at] = dice.randbytes(many)
        elif change == 3:
            data[at] = dice.choice([0, 1, 2, 3, 4, 255])
        else:
            del data[at:]
    return [(way, bytes(data)) for way, data in found if data]


def known(rows: list[Row]) -> list[Row]:
    """Up to where the sense is lost, or the end of what is whole."""
    while rows and rows[-1][0].startswith("unknown."):
        rows = rows[:-1]
    return rows


def test_neither_contradicts_the_other_on_damaged_input(decode: Path, tmp_path: Path) -> None:
    """One may stop earlier: the dissector waits for whole messages. What both say is the same.

    raw is left out: the decoder has seen the end of a conversation, the dissector cannot."""
    dice = random.Random(11)
    names = [name for name in FIELD if name.startswith(("ZMTP", "SP"))]
    cases = [damaged(dice, FIELD[dice.choice(names)]) or [(UP, b"x")] for _ in range(200)]
    taps, pcap = capture(decode, tmp_path, *(recording.exchange(*parts) for parts in cases))
    found = dissected_by_stream(pcap)
    for number, (tap, parts) in enumerate(zip(taps, cases)):
        for way, port in (("up", "41000"), ("down", "5555")):
            ours = known([(e["field"], e["length"], e["hex"]) for e in elements(decode, "--show", 1 << 20, tap)
                          if e["direction"] == way])  # fmt: skip
            theirs = known(found.get((number, port), []))
            shorter = min(len(ours), len(theirs))
            assert ours[:shorter] == theirs[:shorter] and (shorter or not theirs), parts


@pytest.mark.parametrize("size", [1, 3, 20])
def test_the_same_in_slices(decode: Path, size: int, tmp_path: Path) -> None:
    """Byte by byte, too: but not the long ones, Wireshark takes its time to join so many.

    raw's subscriptions are only seen on a second look, which is too late to join their pieces."""
    most = 250 if size == 1 else 5000
    cases = [r for name, r in CASES.items() if max(map(len, recording.streams(r).values())) < most
             and name not in ("raw-pubsub", "raw-pubsub-made", "tcp6")]  # fmt: skip
    compare(decode, tmp_path, *(recording.resplit(records, size) for records in cases))


def test_several_messages_in_a_segment(decode: Path, tmp_path: Path) -> None:
    joined = b"".join(data for way, data in RAW["reqrep"] if way == UP) * 5
    compare(decode, tmp_path, recording.exchange((UP, joined[:-7]), (UP, joined[-7:])))


def test_what_is_not_understood_is_said(decode: Path, tmp_path: Path) -> None:
    _, pcap = capture(decode, tmp_path, recording.exchange((UP, zmtp(b"\x48abc"))))
    rows = dissected(pcap)[0]
    assert rows[-1] == ("unknown.bytes", 4, "48616263")


def test_others_are_left_alone(decode: Path, tmp_path: Path) -> None:
    """What is none of ours is claimed by none of ours, and remains what it was."""
    http = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    tls = bytes.fromhex("16030100a5010000a10303") + bytes(range(158))
    others = (http, tls, b"\0\0\0\0\0\0", b"\xff" * 30)
    _, pcap = capture(decode, tmp_path, *(recording.exchange((UP, data)) for data in others))
    assert dissected(pcap) == []


def by_stream(said: str) -> list[list[str]]:
    """What tshark prints of each packet, after the number of its stream; the streams in their order."""
    found: dict[int, list[str]] = {}
    for text in said.splitlines():
        stream, _, rest = text.partition("\t")
        found.setdefault(int(stream), []).append(rest)
    return [found[stream] for stream in sorted(found)]


def test_foreign_traffic_is_read_as_without_us(decode: Path, tmp_path: Path) -> None:
    """Packet by packet the same protocols, and the same words; 61616 is OpenWire's port.

    Not of ones: LBMSRS, which waits for the rest of them, is named or not as tshark likes."""
    parts = {name: case for name, case in {**FOREIGN, **REVOKED}.items() if name != "ones"}
    cases = [(name, port) for name in parts for port in (5555, 61616)]
    made = (recording.exchange(*parts[name], server=f"tcp://127.0.0.1:{port}") for name, port in cases)
    _, pcap = capture(decode, tmp_path, *made)
    fields = ("tcp.stream", "frame.number", "frame.protocols", "_ws.col.Info")
    shown = ("-r", pcap, "-T", "fields", *(word for field in fields for word in ("-e", field)))
    alone = by_stream(tshark(*shown, "-o", "tcp.try_heuristic_first:TRUE", plugin=False))
    ours = by_stream(tshark(*shown))
    assert len(ours) == len(alone) == len(cases)
    for case, with_us, without in zip(cases, ours, alone):
        if case[0] in REVOKED:  # until what does not fit has come
            with_us, without = with_us[-1:], without[-1:]
        assert with_us == without, case


def test_decode_as(decode: Path, tmp_path: Path) -> None:
    """A capture that begins in the middle: the first frames, which tell, are missing."""
    data = frame(b"\0\0\0\1" + b"not ours") * 3
    _, pcap = capture(decode, tmp_path, recording.exchange((UP, data)))
    assert dissected(pcap) == []
    decode_as = ("-d", "tcp.port==5555,triptych_raw")
    said = tshark("-r", pcap, *decode_as, "-T", "fields", "-e", "raw.length")
    assert said.split() == ["12,12,12"]


def test_filters_and_columns(decode: Path, tmp_path: Path) -> None:
    _, pcap = capture(decode, tmp_path, CASES["zmq-reqrep"])
    said = tshark("-r", pcap, "-Y", "message.kind == 2 && zmtp.length")
    assert len(said.splitlines()) == 1
    assert "ZMTP" in said and "[reply 1, 5 bytes]" in said


ANALYSIS = "tcp.analysis.flags && !tcp.analysis.reused_ports"  # what is odd in a capture of several recordings


def test_captures_are_valid(decode: Path, tmp_path: Path) -> None:
    """Checksums, sequence numbers, order; and the streams are those that were recorded."""
    _, pcap = capture(decode, tmp_path, *CASES.values())
    said = subprocess.run(["capinfos", pcap], capture_output=True, text=True)
    assert said.returncode == 0 and "nanoseconds" in said.stdout, said.stderr
    options = [f"-o{o}:TRUE" for o in ("tcp.check_checksum", "ip.check_checksum")]
    bad = "tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.expert.severity >= 0x600000"
    assert tshark("-r", pcap, *options, "-Y", bad) == ""
    assert tshark("-r", pcap, "-Y", ANALYSIS) == ""

    fields = ("tcp.stream", "tcp.srcport", "tcp.payload")
    rows = tshark("-r", pcap, "-T", "fields", *(word for f in fields for word in ("-e", f)))
    carried: dict[tuple[str, str], bytes] = {}
    for line in rows.splitlines():
        stream, port, payload = line.split("\t")
        if payload:
            carried[stream, port] = carried.get((stream, port), b"") + bytes.fromhex(payload)
    recorded = [data for records in CASES.values() for data in recording.streams(records).values()]
    assert sorted(carried.values()) == sorted(recorded)


@pytest.mark.parametrize("name", CASES)
def test_each_capture_alone(decode: Path, name: str, tmp_path: Path) -> None:
    _, pcap = capture(decode, tmp_path, CASES[name])
    said = subprocess.run(["capinfos", "-T", "-r", "-o", pcap], capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout.rstrip().endswith("True")  # in order of time


def test_totals(decode: Path, tmp_path: Path) -> None:
    """Bytes and messages, counted by tshark and by the decoder."""
    taps, pcap = capture(decode, tmp_path, *CASES.values())
    totals = [e for tap in taps for e in events(decode, tap) if e["event"] == "totals"]
    flow = tshark("-r", pcap, "-T", "fields", "-e", "tcp.len")
    assert sum(map(int, flow.split())) == sum(t["bytes"] for t in totals)
    kinds = tshark("-r", pcap, "-T", "fields", "-e", "message.kind").replace(",", " ").split()
    ours = [e for tap in taps for e in elements(decode, tap) if e["field"] == "message.kind"]
    assert list(map(int, kinds)) == [e["value"] for e in ours]


ADDRESSES = {
    # first: the address that is made up counts the connections of the capture
    "UNIX": (("ipc://", "ipc:///tmp/a%b]"), ("127.1.0.1", "127.0.0.1")),
    "IPv6": (("tcp://[2001:db8::1]:41000", "tcp://[::1]:5555"), ("2001:db8::1", "::1")),
    "a scope by number": (("tcp://[fe80::1%2]:41000", "tcp://[fe80::2%2]:5555"), ("fe80::1", "fe80::2")),
    "a scope by name": (("tcp://[fe80::1%eth0]:41000", "tcp://[fe80::2%no-such]:5555"), ("fe80::1", "fe80::2")),
    "one of each": (("tcp://[::1]:41000", "tcp://10.1.2.3:5555"), ("::1", "::ffff:10.1.2.3")),
}


def test_addresses(decode: Path, tmp_path: Path) -> None:
    """No other address is made up in silence: the capture has those that were recorded, or says which."""
    taps = []
    for name, (urls, _) in ADDRESSES.items():
        records = recording.exchange(*RAW["reqrep"])
        records[0] = Record(recording.OPEN, b"".join(url.encode() + b"\0" for url in urls * 2))
        taps.append(recording.write(tmp_path / f"{name}.tap", records))
    opened = [e for e in events(decode, "--pcap", tmp_path / "a.pcap", *taps) if e["event"] == "open"]
    fields = ("tcp.stream", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport")
    words = [word for field in fields for word in ("-e", field)]
    streams = by_stream(tshark("-r", tmp_path / "a.pcap", "-T", "fields", *words))
    assert len(opened) == len(streams) == len(ADDRESSES)
    for event, lines, (name, (urls, wanted)) in zip(opened, streams, ADDRESSES.items()):
        assert (event["client"], event["server"]) == urls, name
        made_up = name == "UNIX"
        assert lines[0].split() == [*wanted, *(["50001", "50000"] if made_up else ["41000", "5555"])], name
        assert event.get("capture_client") == ("tcp://127.1.0.1:50001" if made_up else None)
        assert event.get("capture_server") == ("tcp://127.0.0.1:50000" if made_up else None)


def test_captures_keep_nanoseconds(decode: Path, tmp_path: Path) -> None:
    records = recording.exchange(*RAW["reqrep"])
    records[1] = Record(recording.DATA, records[1].data, UP, time=123_456_789)
    records[2:] = [Record(r.kind, r.data, r.direction, r.connection, 1_000_000_001) for r in records[2:]]
    _, pcap = capture(decode, tmp_path, records)
    times = tshark("-r", pcap, "-Y", "tcp.len > 0", "-T", "fields", "-e", "frame.time_epoch").split()
    assert times == ["1700000000.123456789", "1700000001.000000001"]


def test_what_comes_after_the_end(decode: Path, tmp_path: Path) -> None:
    """Damaged recordings: a reset after both ends, bytes after a side's end, and after a reset."""
    records = recording.exchange(*RAW["reqrep"])
    at = next(i for i, r in enumerate(records) if r.kind == recording.SHUT)
    last = records[-1].time
    reset = Record(recording.RESET, b"", DOWN, time=last)
    late = Record(recording.DATA, b"late", UP, time=last)
    tails = ([reset], [late], [reset, late, reset])
    taps, pcap = capture(decode, tmp_path, *([*records[: at + 2], *tail, *records[at + 2 :]] for tail in tails))
    assert tshark("-r", pcap, "-Y", ANALYSIS) == ""
    fields = ("tcp.stream", "tcp.flags.reset", "tcp.len")
    said = tshark("-r", pcap, "-T", "fields", *(word for field in fields for word in ("-e", field)))
    for tail, tap, kinds in zip(tails, taps, by_stream(said), strict=True):
        ends = [i for i, line in enumerate(kinds) if line.startswith(("1", "True"))]
        assert len(ends) == (reset in tail) and (not ends or ends[0] == len(kinds) - 1)
        [up] = [e for e in events(decode, tap) if e["event"] == "totals" and e["direction"] == "up"]
        assert up["bytes"] == len(records[1].data) + 4 * (late in tail)


def test_resets_and_ends(decode: Path, tmp_path: Path) -> None:
    records = recording.exchange(*RAW["reqrep"])
    at = next(i for i, r in enumerate(records) if r.kind == recording.SHUT)
    reset = Record(recording.RESET, b"", DOWN, time=records[at].time)
    _, pcap = capture(decode, tmp_path, [*records[:at], reset, *records[at + 2 :]])
    ended = "tcp.flags.reset == 1 || tcp.flags.fin == 1"
    resets = tshark("-r", pcap, "-Y", "tcp.flags.reset == 1")
    assert resets.count("\n") == 1 and resets == tshark("-r", pcap, "-Y", ended)
    _, pcap = capture(decode, tmp_path, records)
    assert tshark("-r", pcap, "-Y", "tcp.flags.fin == 1").count("\n") == 2

"""The decoder of bytes on the wire: what recordings of the real libraries decode to.

tests/data/wire holds recordings of libzmq 4.3.4, nanomsg 1.1.5, NNG 1.5.2 and raw, and beside each what
`decode` must say of it. After a wanted change: TRIPTYCH_GOLDEN=write, and read the difference.
"""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

import recording
from conftest import ROOT, build_folder
from recording import DOWN, UP

SAMPLES = sorted((ROOT / "tests/data/wire").glob("*.tap"))
OUR_HEAD = struct.Struct(">xBBHIQQ")
Element = dict[str, Any]


@pytest.fixture
def decode(request: pytest.FixtureRequest) -> Path:
    return build_folder(request.config) / "decode"


def run(decode: Path, *arguments: object, status: int = 0) -> str:
    done = subprocess.run([decode, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def events(decode: Path, *arguments: object) -> list[Element]:
    return [json.loads(line) for line in run(decode, *arguments).splitlines()]


def elements(decode: Path, *arguments: object) -> list[Element]:
    return [e for e in events(decode, *arguments) if e["event"] == "element"]


def message(kind: int, body: bytes, topic: bytes = b"", sequence: int = 1) -> bytes:
    return topic + OUR_HEAD.pack(1, kind, 0, len(body), sequence, 7) + body


def frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def order(found: list[Element]) -> list[str]:
    """What does not depend on how the bytes arrived."""
    skip = ("time", "record", "segment")
    return sorted(json.dumps({k: e[k] for k in sorted(e) if k not in skip}) for e in found)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_golden(decode: Path, sample: Path) -> None:
    golden = sample.with_suffix(".jsonl")
    said = run(decode, sample)
    if os.environ.get("TRIPTYCH_GOLDEN") == "write":
        golden.write_text(said)
    assert said == golden.read_text()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_byte_once_and_known(decode: Path, sample: Path) -> None:
    found = elements(decode, "--show", 1 << 20, sample)
    for (connection, direction), stream in recording.streams(recording.read(sample)).items():
        name = ("up", "down")[direction]
        mine = [e for e in found if (e["connection"], e["direction"]) == (connection, name)]
        assert b"".join(bytes.fromhex(e["hex"]) for e in mine) == stream
        at = 0
        for element in mine:
            assert element["offset"] == at and len(element["hex"]) == 2 * element["length"] > 0
            at += element["length"]
        assert not [e["meaning"] for e in mine if e["layer"] == "unknown"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_any_split_gives_the_same(decode: Path, sample: Path, tmp_path: Path) -> None:
    records = recording.read(sample)
    whole = order(elements(decode, sample))
    dice = random.Random(sample.stem)
    for size in (1, 2, 3, 7, *(dice.randrange(4, 200) for _ in range(5))):
        split = recording.write(tmp_path / "split.tap", recording.resplit(records, size))
        assert order(elements(decode, split)) == whole, size


def test_fields_are_all_there(decode: Path) -> None:
    """The samples between them take every path: each field the decoder knows appears."""
    source = "".join(path.read_text() for path in (ROOT / "tools/wire/decode").glob("decode_*.c"))
    known = {word for word in source.split('"') if word.count(".") and word.split(".")[0] in
             ("zmtp", "sp", "raw", "message")}
    known -= {"message.head", "unknown.start"}  # names of what is expected, never of an element
    known -= {"message.h"}  # an include
    # A hop's id needs a device between client and server; a context no library sends.
    known -= {"sp.channel_id", "zmtp.context"}
    seen = {e["field"] for sample in SAMPLES for e in elements(decode, sample)}
    assert known - seen == set()


RAW = {
    "reqrep": [
        (UP, frame(b"\0\0\0\x09" + message(1, b"hello"))),
        (DOWN, frame(b"\0\0\0\x09" + message(2, b"hello"))),
    ],
    "pubsub": [
        (UP, frame(b"\x01news.") + frame(b"\x01")),
        (DOWN, frame(message(3, b"hello", b"news.a"))),
        (UP, frame(b"\x00news.")),
    ],
}


@pytest.mark.parametrize("sample", SAMPLES[:4], ids=lambda path: path.stem)
def test_nothing_is_guessed_of_an_unknown_framing(decode: Path, sample: Path) -> None:
    found = elements(decode, "--unknown", sample)
    assert {e["part"] for e in found} == {"unknown"}
    whole = sum(e["length"] for e in elements(decode, sample))
    assert sum(e["length"] for e in found) == whole > 0


@pytest.mark.parametrize("hint", [True, False], ids=["told", "deduced"])
@pytest.mark.parametrize("pattern", RAW)
def test_raw(decode: Path, pattern: str, hint: bool, tmp_path: Path) -> None:
    path = recording.write(tmp_path / "raw.tap", recording.exchange(*RAW[pattern]))
    found = elements(decode, *(["--" + pattern] if hint else []), path)
    fields = [e["field"] for e in found]
    assert not [f for f in fields if f.startswith("unknown")]
    if pattern == "reqrep":
        assert [e["value"] for e in found if e["field"] == "raw.request_id"] == [9, 9]
        assert [e["value"] for e in found if e["field"] == "message.kind"] == [1, 2]
    else:
        assert [e["value"] for e in found if e["field"] == "raw.subscribe"] == [1, 1, 0]
        assert [e.get("text") for e in found if e["field"] == "raw.prefix"] == ["news.", "news."]
        assert [e["text"] for e in found if e["field"] == "message.topic"] == ["news.a"]


def zmtp(*frames: bytes, socket: bytes = b"REQ") -> bytes:
    ready = b"\x05READY\x0bSocket-Type" + len(socket).to_bytes(4, "big") + socket
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
    return b"".join([greeting, b"\x04", bytes([len(ready)]), ready, *frames])


SP = b"\0SP\0\0\x30\0\0"
WRONG = {
    "nothing that is known": (b"GET / HTTP/1.1\r\n\r\n", "unknown.bytes"),
    "ff without 7f": (b"\xff" * 20, "unknown.bytes"),
    "ZMTP 2.0": (b"\xff" + bytes(8) + b"\x7f\x01\x03\0", "unknown.bytes"),
    "reserved flags": (zmtp(b"\x48abc"), "unknown.bytes"),
    "command with more": (zmtp(b"\x05\x01a"), "unknown.bytes"),
    "2^63 bytes": (zmtp(b"\x02" + b"\x80" + bytes(7) + b"abc"), "unknown.bytes"),
    "a long frame cut off": (zmtp(b"\x02" + bytes(5) + b"\x01\0\0" + b"abc"), "unknown.incomplete"),
    "greeting cut off": (zmtp()[:40], "unknown.incomplete"),
    "command with a name too long": (zmtp(b"\x04\x03\x09ab"), "zmtp.data"),
    "command without a name": (zmtp(b"\x04\x02\x00a"), "zmtp.data"),
    "property past the end": (zmtp(b"\x04\x0c\x05READY\x01a\0\0\0\x09"), "zmtp.data"),
    "property's name past the end": (zmtp(b"\x04\x08\x05READY\x09a"), "zmtp.data"),
    "reason past the end": (zmtp(b"\x04\x08\x05ERROR\x09a"), "zmtp.data"),
    "no subscription": (zmtp(b"\0\x02\x07a", socket=b"SUB"), "zmtp.data"),
    "SP with something reserved": (b"\0SP\0\0\x30\0\x01" + bytes(16), "unknown.bytes"),
    "SP length of 2^64 - 1": (SP + b"\xff" * 8 + b"abc", "unknown.incomplete"),
    "SP over IPC, then another type": (SP + b"\x01" + bytes(8) + b"\x02", "unknown.bytes"),
    "SP cut off": (b"\0SP", "unknown.incomplete"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_shown_as_such(decode: Path, name: str, tmp_path: Path) -> None:
    data, field = WRONG[name]
    path = recording.write(tmp_path / "wrong.tap", recording.exchange((UP, data)))
    found = elements(decode, path)
    assert found[-1]["field"] == field
    assert sum(e["length"] for e in found) == len(data)
    split = recording.write(tmp_path / "split.tap", recording.resplit(recording.read(path), 1))
    assert order(elements(decode, split)) == order(found)


def test_a_malformed_command_does_not_lose_the_thread(decode: Path, tmp_path: Path) -> None:
    data = zmtp(b"\x04\x03\x09ab", b"\x04\x07\x04PING\0\x0a", b"\x04\x09\x04PONGctx!", b"\0\x02hi")
    found = elements(decode, recording.write(tmp_path / "a.tap", recording.exchange((UP, data))))
    assert [e["field"] for e in found][-11:] == [
        "zmtp.data", "zmtp.flags", "zmtp.length", "zmtp.command", "zmtp.ttl", "zmtp.flags",
        "zmtp.length", "zmtp.command", "zmtp.context", "zmtp.flags", "zmtp.length", "message.foreign",
    ][-11:]  # fmt: skip


def test_a_request_through_a_device(decode: Path, tmp_path: Path) -> None:
    data = SP + (8 + 26).to_bytes(8, "big") + b"\0\0\0\x05\x80\0\0\x01" + message(1, b"x")
    found = elements(decode, recording.write(tmp_path / "a.tap", recording.exchange((UP, data))))
    assert [e["value"] for e in found if e["field"] == "sp.channel_id"] == [5]
    assert [e["value"] for e in found if e["field"] == "sp.request_id"] == [0x80000001]


def test_a_huge_body_is_counted_and_not_kept(decode: Path, tmp_path: Path) -> None:
    body = bytes(100_000)
    data = frame(message(3, body * 40, b"big"))
    pieces = [(DOWN, data[at : at + 65536]) for at in range(0, len(data), 65536)]
    path = recording.write(tmp_path / "a.tap", recording.exchange(*pieces))
    last = elements(decode, "--pubsub", "--show", 5, path)[-1]
    assert (last["field"], last["length"], last["hex"]) == ("message.body", 4_000_000, "00" * 5)


def test_a_recording_cut_short_is_decoded_so_far(decode: Path, tmp_path: Path) -> None:
    whole = recording.write(tmp_path / "a.tap", recording.exchange(*RAW["reqrep"])).read_bytes()
    for end in range(32, len(whole)):
        cut = tmp_path / "cut.tap"
        cut.write_bytes(whole[:end])
        assert events(decode, cut)[-1]["complete"] is False
    (tmp_path / "cut.tap").write_bytes(whole[:31])
    assert "not a recording" in run(decode, tmp_path / "cut.tap", status=1)


def test_usage(decode: Path, tmp_path: Path) -> None:
    for wrong in ((), ("--show", "0", "a"), ("--show", "x", "a"), ("--what", "a")):
        assert "usage" in run(decode, *wrong, status=2)
    assert run(decode, "--help").startswith("usage")
    assert str(tmp_path / "none") in run(decode, tmp_path / "none", status=1)
    sample = recording.write(tmp_path / "a.tap", recording.exchange(*RAW["reqrep"]))
    assert "/none/a.pcap" in run(decode, "--pcap", "/none/a.pcap", sample, status=1)


def test_segments(decode: Path) -> None:
    """Arrivals and passings-on: each side's bytes once, in order; nothing goes on before it came."""
    found = events(decode, "--pubsub", "--segments", ROOT / "tests/data/wire" / "raw-pubsub.tap")
    totals = {e["direction"]: e["bytes"] for e in found if e["event"] == "totals"}
    for direction, expected in totals.items():
        moved = {"segment": 0, "pass": 0}
        for event in found:
            if event["event"] in moved and event["direction"] == direction:
                assert event["offset"] == moved[event["event"]]
                moved[event["event"]] += event["length"]
                assert moved["pass"] <= moved["segment"]
        assert moved == {"segment": expected, "pass": expected}

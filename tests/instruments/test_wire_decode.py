"""The decoder of bytes on the wire: what recordings of the real libraries decode to.

tests/data/wire holds recordings of libzmq 4.3.4, nanomsg 1.1.5, NNG 1.5.2 and raw, and beside each what
`decode` must say of it. After a wanted change: TRIPTYCH_GOLDEN=write, and read the difference.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

import recording
from conftest import ROOT, build_folder
from recording import DOWN, UP, Record
from wire_cases import CASES, EXPECTED, RAW, SHORT, expected, frame, line, message

SAMPLES = sorted((ROOT / "tests/data/wire").glob("*.tap"))
Element = dict[str, Any]


@pytest.fixture
def decode(request: pytest.FixtureRequest) -> Path:
    return build_folder(request.config) / "decode"


def run(decode: Path, *arguments: object, status: int = 0) -> str:
    done = subprocess.run([decode, *map(str, arguments)], capture_output=True, text=True, timeout=150)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def events(decode: Path, *arguments: object) -> list[Element]:
    return [json.loads(line) for line in run(decode, *arguments).splitlines()]


def elements(decode: Path, *arguments: object) -> list[Element]:
    return [e for e in events(decode, *arguments) if e["event"] == "element"]


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
    """Samples and cases between them take every path: each field the decoder knows appears."""
    source = "".join(path.read_text() for path in (ROOT / "tools/wire/decode").glob("decode_*.c"))
    known = {word for word in source.split('"') if word.count(".") and word.split(".")[0] in
             ("zmtp", "sp", "raw", "message")}
    known -= {"message.head", "unknown.start"}  # names of what is expected, never of an element
    known -= {"message.h"}  # an include
    seen = {e["field"] for sample in SAMPLES for e in elements(decode, sample)}
    text = EXPECTED.read_text()
    for name, parts in SHORT.items():
        text = text.replace(name, parts)
    seen |= {word for word in text.split() if "." in word}
    assert known - seen == set()


@pytest.mark.parametrize("sample", SAMPLES[:4], ids=lambda path: path.stem)
def test_nothing_is_guessed_of_an_unknown_framing(decode: Path, sample: Path) -> None:
    found = elements(decode, "--unknown", sample)
    assert {e["part"] for e in found} == {"unknown"}
    whole = sum(e["length"] for e in elements(decode, sample))
    assert sum(e["length"] for e in found) == whole > 0


def test_tables_are_current() -> None:
    """The decoder's tables and the dissector's are made of one description."""
    tables = [ROOT / "tools/wire/tables.py", "--check"]
    assert subprocess.run(tables, capture_output=True, text=True).stderr == ""


def said_of(found: list[Element]) -> list[str]:
    lines = []
    for way in ("up", "down"):
        mine = [e for e in found if e.get("direction") == way]
        lines.append(f"{way}: {line([(e['field'], e['length']) for e in mine if e['event'] == 'element'])}".strip())
    for totals in (e for e in found if e["event"] == "totals"):
        names = ("frames", "messages", "handshake", "control", "framing", "message", "unknown")
        lines.append(f"total {totals['direction']}: " + " ".join(f"{name}={totals[name]}" for name in names))
    return lines


def test_cases(decode: Path, tmp_path: Path) -> None:
    """Each of other people's conversations: fields, lengths, totals."""
    found = {}
    for name, parts in CASES.items():
        path = recording.write(tmp_path / "case.tap", recording.exchange(*parts))
        found[name] = said_of(events(decode, path))
        split = recording.write(tmp_path / "split.tap", recording.resplit(recording.read(path), 1))
        assert order(elements(decode, split)) == order(elements(decode, path)), name
    if os.environ.get("TRIPTYCH_GOLDEN") == "write":
        EXPECTED.write_text("".join(f"{name}\n" + "".join(f"    {text}\n" for text in found[name]) for name in found))
    assert found == expected()


@pytest.mark.parametrize("hint", [True, False], ids=["told", "deduced"])
@pytest.mark.parametrize("pattern", ["reqrep", "pubsub"])
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
        assert [e["text"] for e in found if e["field"] == "message.topic"] == ["news." + 250 * "a"]


def zmtp(*frames: bytes, socket: bytes = b"REQ") -> bytes:
    ready = b"\x05READY\x0bSocket-Type" + len(socket).to_bytes(4, "big") + socket
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
    return b"".join([greeting, b"\x04", bytes([len(ready)]), ready, *frames])


SP = b"\0SP\0\0\x30\0\0"
WRONG = {
    "nothing that is known": (b"GET / HTTP/1.1\r\n\r\n", "unknown.bytes"),
    "ff without 7f": (b"\xff" * 20, "unknown.bytes"),
    "ZMTP 2.0, cut off": (b"\xff" + bytes(8) + b"\x7f\x01\x03\0", "unknown.incomplete"),
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


def together(*recordings: list[Record]) -> list[Record]:
    """Connections 1, 2, ... at the same time, record by record; none of them closes."""
    numbered = [[Record(r.kind, r.data, r.direction, n, r.time) for r in records if r.kind in
                 (recording.OPEN, recording.DATA)] for n, records in enumerate(recordings, 1)]  # fmt: skip
    return sorted((r for records in numbered for r in records), key=lambda r: (r.time, r.connection))


def test_connections_are_told_apart(decode: Path, tmp_path: Path) -> None:
    """Several at once, of several protocols, all still open where the recording ends."""
    names = ["raw: reqrep", "ZMTP: REQ to REP, correlated", "raw: pubsub", "SP: REQ and REP", "foreign: a login"]
    records = together(*(recording.exchange(*CASES[name]) for name in names))
    path = recording.write(tmp_path / "a.tap", [*records, Record(recording.END, time=records[-1].time)])
    found = events(decode, path)
    for number, name in enumerate(names, 1):
        assert said_of([e for e in found if e.get("connection") == number]) == expected()[name]
    assert found[-1] == {"event": "end", "complete": True, "connections": len(names)}
    ends = [e["time"] for e in found if e["event"] == "totals"]
    assert len(ends) == 2 * len(names) and set(ends) == {records[-1].time / 1e9}


def test_a_number_that_comes_again_is_another_connection(decode: Path, tmp_path: Path) -> None:
    first, second = (recording.exchange(*CASES[f"raw: {name}"])[:-1] for name in ("reqrep", "pubsub"))
    later = [Record(r.kind, r.data, r.direction, 1, r.time + 10**9) for r in second]
    found = events(decode, recording.write(tmp_path / "a.tap", [*first, *later]))
    at = [i for i, e in enumerate(found) if e["event"] == "open"][1]
    assert said_of(found[:at]) == expected()["raw: reqrep"]
    assert said_of(found[at:]) == expected()["raw: pubsub"]


@pytest.mark.parametrize("name", ["ZMTP: PAIR to PAIR", "raw: reqrep", "foreign: a login"])
def test_a_recording_that_begins_in_the_middle(decode: Path, name: str, tmp_path: Path) -> None:
    """No byte is left out because the record of the connection's beginning is missing, nor any made up."""
    records = [r for r in recording.exchange(*CASES[name]) if r.kind != recording.OPEN]
    found = events(decode, "--pcap", tmp_path / "a.pcap", recording.write(tmp_path / "a.tap", records))
    assert said_of(found) == expected()[name]
    cut = [Record(records[0].kind, records[0].data[3:], records[0].direction), *records[1:]]
    found = events(decode, recording.write(tmp_path / "b.tap", cut))
    fields = {e["field"] for e in found if e["event"] == "element" and e["direction"] == "up"}
    assert fields == {"unknown.bytes"}


def test_a_note_is_handed_on(decode: Path, tmp_path: Path) -> None:
    """What the tap was told to do meanwhile stands where it was told."""
    first, *rest = recording.exchange(*CASES["raw: reqrep"])
    note = Record(recording.NOTE, b"delay up 1", connection=0, time=5)
    found = events(decode, recording.write(tmp_path / "a.tap", [first, note, *rest]))
    assert found[1] == {"event": "note", "connection": 0, "time": 5e-9, "text": "delay up 1"}
    assert said_of(found) == expected()["raw: reqrep"]


def test_a_damaged_recording_is_decoded_so_far(decode: Path, tmp_path: Path) -> None:
    """What stands before the damage is shown, with its totals; the end says that it is not complete."""
    records = recording.exchange(*RAW["reqrep"])
    good = recording.write(tmp_path / "good.tap", records[:2]).stat().st_size
    whole = recording.write(tmp_path / "a.tap", records).read_bytes()
    (tmp_path / "broken.tap").write_bytes(whole[: good + 4] + b"\xff" + whole[good + 5 :])
    done = subprocess.run([decode, "--pcap", tmp_path / "a.pcap", tmp_path / "broken.tap"], text=True,
                          capture_output=True)  # fmt: skip
    found = [json.loads(text) for text in done.stdout.splitlines()]
    assert done.returncode == 1 and "damaged" in done.stderr
    assert said_of(found)[0] == expected()["raw: reqrep"][0] and said_of(found)[1] == "down:"
    assert found[-1] == {"event": "end", "complete": False, "connections": 1}


def test_a_pipe_is_read_once(decode: Path, tmp_path: Path) -> None:
    """There raw cannot be deduced: it is declared, or unknown. The rest is as in a file."""
    for name, hint in (("raw: reqrep", "--reqrep"), ("ZMTP: PLAIN", "")):
        path = recording.write(tmp_path / "a.tap", recording.exchange(*CASES[name]))
        done = subprocess.run([decode, *hint.split(), "/dev/stdin"], input=path.read_bytes(),
                              capture_output=True)  # fmt: skip
        assert said_of([json.loads(text) for text in done.stdout.splitlines()]) == expected()[name]


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

"""The tap's recordings (tools/wire/record/README.md), read and written a second time, for tests of the first."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

MAGIC = b"\x89TAP\r\n\x1a\n"
HEAD = struct.Struct(">8sIIQQ")
RECORD = struct.Struct(">IBBHIQ")
OPEN, DATA, PASS, SHUT, RESET, CLOSE, NOTE, END = range(1, 9)
UP, DOWN = 0, 1


@dataclass(frozen=True)
class Record:
    kind: int
    data: bytes = b""
    direction: int = UP
    connection: int = 1
    time: int = 0


def read(path: Path) -> list[Record]:
    stored = path.read_bytes()
    assert stored[: HEAD.size].startswith(MAGIC)
    at, records = HEAD.size, []
    while at < len(stored):
        length, kind, direction, _, connection, time = RECORD.unpack_from(stored, at)
        at += RECORD.size
        records.append(Record(kind, stored[at : at + length], direction, connection, time))
        at += length
    return records


def write(path: Path, records: Iterable[Record]) -> Path:
    body = b"".join(
        RECORD.pack(len(r.data), r.kind, r.direction, 0, r.connection, r.time) + r.data
        for r in records
    )
    path.write_bytes(HEAD.pack(MAGIC, 1, 0, 0, 1_700_000_000_000_000_000) + body)
    return path


def exchange(*parts: tuple[int, bytes], server: str = "tcp://127.0.0.1:5555") -> list[Record]:
    """A connection on which these bytes went these ways, a millisecond apart."""
    client = "ipc://" if server.startswith("ipc:") else "tcp://127.0.0.1:41000"
    names = b"".join(name.encode() + b"\0" for name in (client, server, client, server))
    records = [Record(OPEN, names)]
    for number, (direction, data) in enumerate(parts, 1):
        records.append(Record(DATA, data, direction, time=number * 1_000_000))
    after = len(parts) * 1_000_000 + 1_000_000
    return [
        *records,
        Record(SHUT, b"", UP, time=after),
        Record(SHUT, b"", DOWN, time=after),
        Record(CLOSE, b"client", time=after),
        Record(END, b"", connection=0, time=after),
    ]


def resplit(records: Iterable[Record], size: int) -> list[Record]:
    """The same bytes, at most size of them at once."""
    pieces = []
    for record in records:
        step = size if record.kind == DATA else max(len(record.data), 1)
        for at in range(0, max(len(record.data), 1), step):
            pieces.append(replace(record, data=record.data[at : at + step]))
    return pieces


def streams(records: Iterable[Record]) -> dict[tuple[int, int], bytes]:
    """All bytes of each direction of each connection."""
    found: dict[tuple[int, int], bytes] = {}
    for record in records:
        if record.kind == DATA:
            key = (record.connection, record.direction)
            found[key] = found.get(key, b"") + record.data
    return found

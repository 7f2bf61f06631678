#!/usr/bin/python3
"""The names and layouts that the decoder and the dissector share,
and what makes both files of them.

Usage:  tools/wire/tables.py [--check]

Writes decode/decode_tables.inc, which the decoder includes, and the tables in triptych.lua, which
has to be one file. --check changes nothing and says which of the two differs; tests/instruments/
test_wire_decode.py runs it. The sources: rfc.zeromq.org/spec/15, 23, 24, 26, 28, 37, 41 to 51, and
nanomsg's rfc folder, sp-protocol-ids-01; common/message.h.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INC = HERE / "decode/decode_tables.inc"
LUA = HERE / "triptych.lua"
BEGIN, END = "-- tables.py writes from here\n", "-- to here\n"

KINDS = ["request", "reply", "event", "error"]  # of our message, from 1

# ZeroMQ's socket types. ZMTP 2.0 sends the number of one of the first eleven, from 0.
SOCKETS = [
    "PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB",
    "CLIENT", "SERVER", "RADIO", "DISH", "SCATTER", "GATHER", "PEER", "CHANNEL",
]  # fmt: skip

# SP: number, name, and what stands before the payload.
PROTOCOLS = [
    (0x10, "PAIR", "none"),
    (0x11, "PAIR version 1", "hops"),
    (0x20, "PUB", "none"),
    (0x21, "SUB", "none"),
    (0x30, "REQ", "request"),
    (0x31, "REP", "request"),
    (0x50, "PUSH", "none"),
    (0x51, "PULL", "none"),
    (0x62, "SURVEYOR", "survey"),
    (0x63, "RESPONDENT", "survey"),
    (0x70, "BUS", "none"),
]

# ZMTP's commands: name, meaning, and the form of the data, if the mechanism leaves them in clear:
# properties; strings, each after its length; a prefix; a group; a time and a context; a context.
COMMANDS = [
    ("READY", ": these are my properties", "properties"),
    ("ERROR", ": handshake refused", "reason"),
    ("HELLO", "", "login"),  # PLAIN's; no other mechanism in clear has it
    ("WELCOME", "", "none"),
    ("INITIATE", "", "properties"),
    ("SUBSCRIBE", "", "prefix"),
    ("CANCEL", ": unsubscribe", "prefix"),
    ("JOIN", ": this group's messages are wanted", "group"),
    ("LEAVE", ": this group's messages are wanted no more", "group"),
    ("PING", ": are you there?", "time"),
    ("PONG", ": yes", "context"),
]

# CURVE's commands: name, the fewest and the most bytes after it (0: no limit), and the fields,
# whose length 0 means all that is left.
CURVE = [
    ("HELLO", 194, 194, [
        ("version", 2, "CURVE's version"),
        ("padding", 72, "padding against amplification"),
        ("key", 32, "the client's public key for this connection"),
        ("nonce", 8, "nonce"),
        ("box", 80, "signature, boxed"),
    ]),
    ("WELCOME", 160, 160, [
        ("nonce", 16, "nonce"),
        ("box", 144, "the server's key and a cookie, boxed"),
    ]),
    ("INITIATE", 248, 0, [
        ("cookie", 96, "the server's cookie"),
        ("nonce", 8, "nonce"),
        ("box", 0, "the client's key and properties, boxed"),
    ]),
    ("READY", 24, 0, [("nonce", 8, "nonce"), ("box", 0, "the properties, boxed")]),
    ("MESSAGE", 25, 0, [
        ("nonce", 8, "nonce"),
        ("mac", 16, "the box's authenticator"),
        ("flags", 1, "flags, boxed: MORE is in here"),
        ("data", 0, "a frame's body or a command, boxed"),
    ]),
]  # fmt: skip


def define(name: str, rows: list[str]) -> str:
    return f"#define {name} \\\n" + ", \\\n".join(f"    {row}" for row in rows) + "\n"


def quoted(words: list[str]) -> list[str]:
    return [f'"{word}"' for word in words]


def for_c() -> str:
    layouts = []
    for name, least, most, items in CURVE:
        fields = ", ".join(f'{{"zmtp.curve.{f}", {n}, "{meaning}"}}' for f, n, meaning in items)
        layouts.append(f'{{"{name}", {least}, {most}, {{{fields}}}}}')
    return "\n".join([
        "/* Made by tools/wire/tables.py: change it there. */",
        define("TABLE_KINDS", quoted(KINDS)),
        define("TABLE_SOCKETS", [f"SOCKET_{name}" for name in SOCKETS]),
        define("TABLE_SOCKET_NAMES", quoted(SOCKETS)),
        define("TABLE_PROTOCOLS", [
            f'{{0x{n:02x}, "{name}", HEADER_{h.upper()}}}' for n, name, h in PROTOCOLS
        ]),
        define("TABLE_COMMANDS", [f"COMMAND_{name}" for name, _, _ in COMMANDS]),
        define("TABLE_COMMAND_DATA", [
            f'{{"{name}", "{says}", DATA_{data.upper()}}}' for name, says, data in COMMANDS
        ]),
        define("TABLE_CURVE", layouts),
    ])  # fmt: skip


def lines(words: list[str]) -> str:
    """In lines of at most 110 columns, each indented."""
    text = "   "
    found = []
    for word in words:
        if len(text) + len(word) + 2 > 110:
            found.append(text)
            text = "   "
        text += f" {word},"
    return "\n".join([*found, text])


def for_lua() -> str:
    curve = []
    for name, least, most, items in CURVE:
        fields = ", ".join(f'{{ "{f}", {n} }}' if n else f'{{ "{f}" }}' for f, n, _ in items)
        curve.append(f"    {name} = {{ {least}, {most or 'math.huge'}, {fields} }},")
    headers = {"hops": "hops", "request": "ids", "survey": "ids"}
    return "\n".join([
        f"local kinds = {{ {', '.join(quoted(KINDS))} }}",
        "local protocols = { -- of SP",
        lines([f'[0x{n:02x}] = "{name}"' for n, name, _ in PROTOCOLS]),
        "}",
        "local headers = { -- what a protocol puts before the payload",
        lines([f'[0x{n:02x}] = "{headers[h]}"' for n, _, h in PROTOCOLS if h != "none"]),
        "}",
        "local sockets = { -- as ZMTP 2.0 numbers them",
        lines([("[0] = " if not i else "") + f'"{name}"' for i, name in enumerate(SOCKETS)]),
        "}",
        "local commands = { -- the form of their data",
        lines([f'{name} = "{data}"' for name, _, data in COMMANDS]),
        "}",
        "local curve = { -- CURVE's: the fewest and the most bytes after the name; the fields, "
        "the last without a length",
        *curve,
        "}",
        "",
    ])  # fmt: skip


def main() -> int:
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    script = LUA.read_text()
    before, rest = script.split(BEGIN)
    wanted = {INC: for_c(), LUA: before + BEGIN + for_lua() + END + rest.split(END, 1)[1]}
    differ = [
        path for path, text in wanted.items() if not path.exists() or path.read_text() != text
    ]
    for path in differ:
        if sys.argv[1:]:
            print(f"{path} differs from tools/wire/tables.py: run that", file=sys.stderr)
        else:
            path.write_text(wanted[path])
    return 1 if differ and sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())

"""What other people's programs send: one table for the decoder and for the dissector.

A case is what passed, in order. tests/data/wire/cases.txt has what both must say of it: for each direction the
fields after the greeting with their lengths, and the decoder's totals. After a wanted change:
TRIPTYCH_GOLDEN=write, and compare the difference with the specification that the case names.
"""

from __future__ import annotations

import struct
from pathlib import Path

from conftest import ROOT
from recording import DOWN, UP

EXPECTED = ROOT / "tests/data/wire/cases.txt"
OUR_HEAD = struct.Struct(">xBBHIQQ")
Part = tuple[int, bytes]


def message(kind: int, body: bytes, topic: bytes = b"", sequence: int = 1) -> bytes:
    return topic + OUR_HEAD.pack(1, kind, 0, len(body), sequence, 7) + body


def frame(data: bytes) -> bytes:
    """raw's, or any of those many with a length of 4 bytes."""
    return len(data).to_bytes(4, "big") + data


def greeting(mechanism: bytes = b"NULL", server: int = 0, major: int = 3, minor: int = 1) -> bytes:
    signature = b"\xff" + bytes(8) + b"\x7f"
    return signature + bytes([major, minor]) + mechanism.ljust(20, b"\0") + bytes([server]) + bytes(31)


def greeting2(socket: int, identity: bytes = b"", revision: int = 1) -> bytes:
    return b"\xff" + bytes(8) + b"\x7f" + bytes([revision, socket, 0, len(identity)]) + identity


def z(*frames: bytes, command: bool = False, more: bool = False) -> bytes:
    """ZMTP frames, all but the last with MORE."""
    out = b""
    for number, body in enumerate(frames, 1):
        flags = (4 if command else 0) | (1 if number < len(frames) or more else 0)
        if len(body) > 255:
            out += bytes([flags | 2]) + len(body).to_bytes(8, "big") + body
        else:
            out += bytes([flags, len(body)]) + body
    return out


def command(name: bytes, data: bytes = b"") -> bytes:
    return z(bytes([len(name)]) + name + data, command=True)


def properties(socket: bytes) -> bytes:
    return b"\x0bSocket-Type" + len(socket).to_bytes(4, "big") + socket


def null(client: bytes, server: bytes, minor: int = 1) -> list[Part]:
    """The handshake of two socket types without security."""
    return [(way, greeting(minor=minor) + command(b"READY", properties(socket)))
            for way, socket in ((UP, client), (DOWN, server))]  # fmt: skip


def both(hello: bytes) -> list[Part]:
    return [(UP, hello), (DOWN, hello)]


def sp(protocol: int) -> bytes:
    return b"\0SP\0" + protocol.to_bytes(2, "big") + b"\0\0"


def s(body: bytes, ipc: bool = False) -> bytes:
    return b"\1" * ipc + len(body).to_bytes(8, "big") + body


def curve(body: bytes) -> bytes:
    """A message frame, boxed: 33 bytes more."""
    return z(b"\x07MESSAGE" + bytes(8) + b"m" * 16 + b"f" + body)


def plain(client: bytes, server: bytes) -> list[Part]:
    return [
        (UP, greeting(b"PLAIN")), (DOWN, greeting(b"PLAIN", 1)),
        (UP, command(b"HELLO", b"\x04anna\x06secret")), (DOWN, command(b"WELCOME")),
        (UP, command(b"INITIATE", properties(client))), (DOWN, command(b"READY", properties(server))),
    ]  # fmt: skip


CURVE = [
    (UP, greeting(b"CURVE")), (DOWN, greeting(b"CURVE")),
    (UP, command(b"HELLO", b"\1\0" + bytes(72) + b"k" * 32 + bytes(8) + b"b" * 80)),
    (DOWN, command(b"WELCOME", b"n" * 16 + b"b" * 144)),
    (UP, z(b"\x08INITIATE" + b"c" * 96 + bytes(8) + b"b" * 170, command=True)),
    (DOWN, command(b"READY", bytes(8) + b"b" * 40)),
]  # fmt: skip

OPENWIRE = bytes.fromhex("000000da014163746976654d51") + bytes(209)
ZMTP: dict[str, list[Part]] = {
    # rfc.zeromq.org/spec/28: the envelope is REQ's and REP's
    "DEALER to ROUTER": [*null(b"DEALER", b"ROUTER"), (UP, z(b"<IDS|MSG>", b"{}"))],
    "DEALER to ROUTER, 4 bytes first": [*null(b"DEALER", b"ROUTER"), (UP, z(b"abcd", b"", b"x"))],
    "DEALER to DEALER, an empty frame": [*null(b"DEALER", b"DEALER"), (UP, z(b"", b"x"))],
    "DEALER to REP": [*null(b"DEALER", b"REP"), (UP, z(b"hop1", b"hop", b"", b"x", b"")), (DOWN, z(b"hop1", b"hop", b"", b"y"))],
    "DEALER to REP, no empty frame": [*null(b"DEALER", b"REP"), (UP, z(b"hop", b"x"))],
    "REQ to ROUTER": [*null(b"REQ", b"ROUTER"), (UP, z(b"", b"x", b"", b"y")), (DOWN, z(b"", b"z"))],
    "REQ to REP, correlated": [*null(b"REQ", b"REP"), (UP, z(b"\0\0\0\1", b"", b"x")), (DOWN, z(b"\0\0\0\1", b"", b"y"))],
    "REQ to REP, an empty frame too late": [*null(b"REQ", b"REP"), (UP, z(b"abc", b"", b"x"))],
    "REP to DEALER, an envelope of 750 bytes": [*null(b"REP", b"DEALER"), (UP, z(b"a" * 250, b"b" * 250, b"c" * 250, b"", b"x"))],
    # decode_zmtp_message.c looks through 1024 bytes
    "REP to DEALER, an envelope of 1023 bytes": [*null(b"REP", b"DEALER"), (UP, z(*[b"a" * 254] * 3, b"b" * 253, b"", b"x"))],
    "REP to DEALER, an envelope of 1024 bytes": [*null(b"REP", b"DEALER"), (UP, z(*[b"a" * 254] * 4, b"", b"x"))],
    "REQ, a single frame": [*null(b"REQ", b"REP"), (UP, z(b"x"))],
    "PUSH to PULL, 4 bytes first": [*null(b"PUSH", b"PULL"), (UP, z(b"abcd", b"", b"x"))],
    "PULL only receives": [*null(b"PUSH", b"PULL"), (DOWN, z(b"abcd"))],
    "DISH only receives": [*null(b"RADIO", b"DISH"), (DOWN, z(b"abcd"))],
    "GATHER only receives": [*null(b"SCATTER", b"GATHER"), (DOWN, z(b"abcd"))],
    "PAIR to PAIR": [*null(b"PAIR", b"PAIR"), (UP, z(b"")), (DOWN, z(b"a" * 300))],
    "CLIENT to SERVER": [*null(b"CLIENT", b"SERVER"), (UP, z(b"hi")), (DOWN, z(b"there"))],
    "SCATTER to GATHER": [*null(b"SCATTER", b"GATHER"), (UP, z(b"\1x"))],
    "PEER to PEER": [*null(b"PEER", b"PEER"), (UP, z(b"hi"))],
    "CHANNEL to CHANNEL": [*null(b"CHANNEL", b"CHANNEL"), (UP, z(b"hi"))],
    "a socket type without a name here": [*null(b"FOO", b"FOO"), (UP, z(b"\1x")), (DOWN, z(message(2, b"x")))],
    # spec/29 and libzmq's xpub.cpp: XSUB has messages of its own
    "SUB, 3.0": [*null(b"SUB", b"PUB", 0), (UP, z(b"\1abc") + z(b"\1") + z(b"\0abc")), (DOWN, z(message(3, b"", b"abc")))],
    "SUB, no subscription": [*null(b"SUB", b"PUB"), (UP, z(b"\7a"))],
    "SUB, 3.1": [*null(b"SUB", b"PUB"), (UP, command(b"SUBSCRIBE", b"a") + command(b"SUBSCRIBE") + command(b"CANCEL", b"a"))],
    "SUB, a prefix of 250 bytes from libzmq 4.3.4": [*null(b"SUB", b"PUB"), (UP, b"\x04\x04\x09SUBSCRIBE" + b"a" * 250)],
    "XSUB to XPUB": [*null(b"XSUB", b"XPUB"), (UP, z(b"abc", b"x") + z(b"\1abc") + z(b"hello")), (DOWN, z(b"abc", b"\1"))],
    "a topic of 255 bytes": [*null(b"PUB", b"SUB"), (UP, z(message(3, b"x", b"t" * 255)))],
    "a topic of 256 bytes": [*null(b"PUB", b"SUB"), (UP, z(message(3, b"x", b"t" * 256)))],
    # spec/37 and 48
    "RADIO to DISH": [*null(b"RADIO", b"DISH"), (DOWN, command(b"JOIN", b"gr") + command(b"LEAVE", b"gr")), (UP, z(b"gr", b"body"))],
    "RADIO, an empty group": [*null(b"RADIO", b"DISH"), (UP, z(b"", message(3, b"x", b"a")))],
    "PING and PONG": [*null(b"REQ", b"REP"), (UP, command(b"PING", b"\0\x0actx") + command(b"PING", b"\0\1")), (DOWN, command(b"PONG", b"ctx") + command(b"PONG"))],
    "a command between two frames": [*null(b"PUSH", b"PULL"), (UP, z(b"a", more=True) + command(b"PONG") + z(b"b"))],
    "PING with one byte": [*null(b"REQ", b"REP"), (UP, command(b"PING", b"\0") + command(b"PING") + command(b"PONG", b"x"))],
    "JOIN and LEAVE of the empty group": [*null(b"RADIO", b"DISH"), (DOWN, command(b"JOIN") + command(b"LEAVE"))],
    "a property's name in other letters": [(UP, greeting() + command(b"READY", properties(b"SUB").replace(b"Type", b"TYPE"))), (UP, z(b"\1a"))],
    "a property too long": [(UP, greeting() + command(b"READY", properties(b"REQ") + b"\x04Name\0\0\0\x05four"))],
    "a property without a value": [(UP, greeting() + command(b"READY", properties(b"REQ") + b"\x04Name\0\0\0"))],
    "HELLO, INITIATE and WELCOME of NULL": [*both(greeting()), (UP, command(b"HELLO", b"\1a\1b") + command(b"INITIATE", properties(b"REQ"))), (DOWN, command(b"WELCOME", b"x"))],
    "ERROR, a reason too long": [*both(greeting()), (DOWN, command(b"ERROR", b"\x05four"))],
    "ERROR, more than a reason": [*both(greeting()), (DOWN, command(b"ERROR", b"\x04four."))],
    "a short frame in the long form": [*null(b"PUSH", b"PULL"), (UP, b"\2" + bytes(7) + b"\4" + b"abcd" + b"\0\1e")],
    # common/message.h: each of these is not quite Triptych's
    "a message of kind 5": [*null(b"PUB", b"SUB"), (UP, z(message(5, b"x")))],
    "a message of kind 0": [*null(b"PUB", b"SUB"), (UP, z(message(0, b"x")))],
    "a message of version 2": [*null(b"PUB", b"SUB"), (UP, z(b"\0\2" + message(3, b"x")[2:]))],
    "a message whose zero is 1": [*null(b"PUB", b"SUB"), (UP, z(message(3, b"x")[:4] + b"\1" + message(3, b"x")[5:]))],
    "a message one byte longer than it says": [*null(b"PUB", b"SUB"), (UP, z(message(3, b"x") + b"y"))],
    "a message of 24 bytes": [*null(b"PUB", b"SUB"), (UP, z(message(3, b"")[:-1]))],
    "ERROR": [*both(greeting()), (DOWN, command(b"ERROR", b"\x11Invalid mechanism"))],
    "a message before READY": [*both(greeting()), (UP, z(b"\1abc"))],
    # spec/15: ZMTP 2.0, and a peer that has announced more
    "2.0, REQ and a newer REP": [(UP, greeting2(3)), (DOWN, greeting2(4, revision=3)), (UP, z(b"", b"hello")), (DOWN, z(b"", b"world"))],
    "2.0, SUB with an identity": [(UP, greeting2(2, b"me")), (DOWN, greeting2(1)), (UP, z(b"\1a")), (DOWN, z(message(3, b"x", b"a")))],
    "2.0, the longest identity": [(UP, greeting2(3, b"i" * 255)), (UP, z(b"", b"x"))],
    "2.0, a command": [(UP, greeting2(3)), (UP, command(b"READY"))],
    "2.0, DEALER and ROUTER": [(UP, greeting2(5)), (DOWN, greeting2(6)), (UP, z(b"a", b"", b"b"))],
    "2.0 has no commands": [(UP, greeting2(8)), (DOWN, greeting2(7)), (UP, z(b"a") + command(b"PING", b"\0\1"))],
    "2.0, a socket type of 11": [(UP, greeting2(11)), (DOWN, greeting2(1))],
    "a newer peer gets 1.0": [(UP, greeting2(0)[:10] + b"\1\1\6\0hello"), (DOWN, b"\1\0\6\0world")],
    "version 4.2": [(UP, greeting(major=4, minor=2) + z(b"x")), (DOWN, greeting() + command(b"READY", properties(b"REP")))],
    "revision 2": [(UP, greeting2(3, revision=2))],
    "ff and 7f of something else": [(UP, b"\xff" + b"12345678" + b"\x7f\x03\x01abcdefghijklmnopqrstuvwxyz")],
    # spec/24 to 26 and 38
    "PLAIN": [*plain(b"REQ", b"REP"), (UP, z(b"", b"x")), (DOWN, z(b"", b"y"))],
    "PLAIN, DEALER and ROUTER": [*plain(b"DEALER", b"ROUTER"), (UP, z(b"abcd", b"x"))],
    "CURVE, REQ and REP": [*CURVE, (UP, curve(b"") + curve(b"7 bytes")), (DOWN, curve(b"") + curve(b"a" * 300))],
    "CURVE, ERROR in clear": [*both(greeting(b"CURVE")), (DOWN, command(b"ERROR", b"\x03400"))],
    "CURVE, a HELLO too short": [*both(greeting(b"CURVE")), (UP, command(b"HELLO", bytes(50)))],
    "CURVE, the shortest READY and MESSAGE": [*CURVE[:-1], (DOWN, command(b"READY", bytes(8) + b"b" * 16)), (UP, curve(b""))],
    "CURVE, one byte less": [*CURVE[:-1], (DOWN, command(b"READY", bytes(8) + b"b" * 15)), (UP, z(b"\x07MESSAGE" + bytes(24)))],
    "CURVE, a WELCOME one byte longer": [*both(greeting(b"CURVE")), (DOWN, command(b"WELCOME", bytes(161)))],
    "PLAIN, a user's name too long": [*both(greeting(b"PLAIN")), (UP, command(b"HELLO", b"\x09anna\x01x"))],
    "PLAIN, a password too long": [*both(greeting(b"PLAIN")), (UP, command(b"HELLO", b"\x04anna\x09x"))],
    "CURVE, frames that are called as a command is": [*CURVE, (UP, z(b"\x05READY" + bytes(40)) + z(b"\x07WELCOME" + bytes(160)))],
    "CURVE, no MESSAGE": [*CURVE, (UP, z(b"x") + z(b"x" * 40))],
    "GSSAPI": [(UP, greeting(b"GSSAPI")), (DOWN, greeting(b"GSSAPI", 1)), (UP, command(b"INITIATE", b"token")), (DOWN, command(b"READY", b"sealed")), (UP, z(b"\x07MESSAGEsealed"))],
    "GSSAPI, ERROR": [(UP, greeting(b"GSSAPI")), (DOWN, greeting(b"GSSAPI", 1) + command(b"ERROR", b"\x03no!"))],
    "a mechanism without a name here": [*both(greeting(b"X-MINE")), (UP, command(b"HELLO", b"abc") + z(b"abc", b"d"))],
    # damaged
    "flags that no frame has": [*null(b"PUSH", b"PULL"), (UP, z(b"good") + b"\x48abc"), (UP, z(b"lost"))],
    "a command with MORE": [*null(b"PUSH", b"PULL"), (UP, z(b"good") + b"\5\5\4PONG" + z(b"lost"))],
    "flags that no frame has, within a message": [*null(b"PUSH", b"PULL"), (UP, z(b"good", more=True) + b"\x48abc"), (UP, z(b"lost"))],
    "a command that is none": [*null(b"PUSH", b"PULL"), (UP, z(b"\x09ab", command=True) + z(b"next"))],
    "READY damaged": [*both(greeting()), (UP, command(b"READY", b"\x0bSocket-Type\0\0\1\0REQ") + z(b"", b"x"))],
}  # fmt: skip

SP: dict[str, list[Part]] = {
    # nanomsg's rfc folder: sp-tcp-mapping-01, sp-ipc-mapping-01, sp-request-reply-01; NNG's pair(7)
    "PAIR v0": [*both(sp(0x10)), (UP, s(b"\0\0\0\1hello")), (DOWN, s(b""))],
    "PAIR v1": [*both(sp(0x11)), (UP, s(b"\0\0\0\1hello pair")), (DOWN, s(b"\0\0\0\2"))],
    "PAIR v1, over ipc": [*both(sp(0x11)), (UP, s(b"\0\0\0\1hi", True))],
    "PAIR v1, no hop count": [*both(sp(0x11)), (UP, s(b"hello pair") + s(b"\0\0\0\1x"))],
    "PAIR v1, the most hops and one more": [*both(sp(0x11)), (UP, s(b"\0\0\0\xffx") + s(b"\0\0\1\0x"))],
    "PUSH and PULL": [(UP, sp(0x50)), (DOWN, sp(0x51)), (UP, s(b"abcd"))],
    "BUS": [*both(sp(0x70)), (UP, s(b"\x80\0\0\1a")), (DOWN, s(b"b", False))],
    "PUB and SUB, over ipc": [(UP, sp(0x21)), (DOWN, sp(0x20)), (DOWN, s(message(3, b"", b"t" * 255), True))],
    "REQ and REP": [(UP, sp(0x30)), (DOWN, sp(0x31)), (UP, s(b"\x80\0\0\1x")), (DOWN, s(b"\x80\0\0\1"))],
    "REQ through two devices": [(UP, sp(0x30)), (DOWN, sp(0x31)), (UP, s(b"\0\0\0\5\0\0\0\6\x80\0\0\1" + message(1, b"x")))],
    "REQ through 63 devices": [(UP, sp(0x30)), (UP, s(b"\0\0\0\5" * 63 + b"\x80\0\0\1" + message(1, b"x")))],
    "hops without a request": [(UP, sp(0x30)), (UP, s(b"\0\0\0\5" * 4) + s(b"\0\0\0\5" * 80) + s(b"\0\0\0\1ab") + s(b"") + s(b"\x80\0\0\2x"))],
    "REQ through 63 devices and 64": [(UP, sp(0x30)), (UP, s(b"\0\0\0\5" * 63 + b"\x80\0\0\1x") + s(b"\0\0\0\5" * 64 + b"\x80\0\0\1x"))],
    "REQ without an id": [(UP, sp(0x30)), (UP, s(b"hi") + s(b"\x80\0\0\1x"))],
    "SURVEYOR": [(UP, sp(0x62)), (DOWN, sp(0x63)), (UP, s(b"\x80\0\0\1who?")), (DOWN, s(b"\x80\0\0\1me"))],
    "surveys before 2015": [(UP, sp(0x60)), (DOWN, sp(0x61)), (UP, s(b"\0\0\0\1who?")), (DOWN, s(b"\0\0\0\1me"))],
    "a protocol without a name here": [*both(sp(0x640)), (UP, s(b"abcd"))],
    "another ipc type": [(UP, sp(0x10) + s(b"a", True) + b"\2" + bytes(8))],
    "something reserved": [(UP, b"\0SP\0\0\x30\0\1" + s(b"abcd"))],
}  # fmt: skip

FOREIGN: dict[str, list[Part]] = {
    "OpenWire": [(UP, OPENWIRE), (DOWN, OPENWIRE)],
    "OpenWire, one side": [(UP, OPENWIRE)],
    "a login": [(UP, frame(b"\1user:bob"))],
    "a login, answered": [(UP, frame(b"\1user:bob") + frame(b"\0x")), (DOWN, frame(b"\0ok"))],
    "only subscriptions": [(UP, frame(b"\1news.") + frame(b"\1") + frame(b"\0news."))],
    "HTTP": [(UP, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (DOWN, b"HTTP/1.1 200 OK\r\n\r\n")],
    "a line": [(UP, b"hello world\n")],
    "zeros": [(UP, bytes(6)), (DOWN, bytes(4))],
    "ones": [(UP, b"\xff" * 30)],
    "from the middle": [(UP, b"ody" + z(b"hello")), (DOWN, s(b"hello")[5:])],
}  # fmt: skip

RAW: dict[str, list[Part]] = {
    "reqrep": [(UP, frame(b"\0\0\0\x09" + message(1, b"hello"))), (DOWN, frame(b"\0\0\0\x09" + message(2, b"")))],
    "reqrep, an error": [(UP, frame(b"\0\0\0\x09" + message(1, b""))), (DOWN, frame(b"\0\0\0\x09" + message(4, b"no")))],
    "pubsub": [(UP, frame(b"\1news.") + frame(b"\1")), (DOWN, frame(message(3, b"hello", b"news." + b"a" * 250))), (UP, frame(b"\0news."))],
}  # fmt: skip

# Each begins as raw's traffic does, and does not go on so: what has been guessed is revoked.
REVOKED: dict[str, list[Part]] = {
    "a request, another protocol's answer": [(DOWN, b"220 hello\r\n"), (UP, frame(b"\0\0\0\x09" + message(1, b"x")))],
    "a prefix too long": [(UP, frame(b"\1" + b"p" * 65537)), (DOWN, frame(message(3, b"", b"p")))],
    "an event for no subscription": [(UP, frame(b"\7user:bob")), (DOWN, frame(message(3, b"x", b"a")))],
    "a request for a subscriber": [(UP, frame(b"\1a")), (DOWN, frame(b"\0\0\0\1" + message(2, b"x")))],
}  # fmt: skip

CASES = {**{f"ZMTP: {n}": c for n, c in ZMTP.items()}, **{f"SP: {n}": c for n, c in SP.items()},
         **{f"foreign: {n}": c for n, c in FOREIGN.items()}, **{f"raw: {n}": c for n, c in RAW.items()},
         **{f"revoked: {n}": c for n, c in REVOKED.items()}}  # fmt: skip
Rows = list[tuple[str, int]]


def merged(rows: Rows) -> Rows:
    """What is not understood comes in one piece from the decoder, in a piece a packet from the dissector."""
    found: Rows = []
    for field, length in rows:
        if field == "unknown.bytes" and found and found[-1][0] == field:
            found[-1] = (field, found[-1][1] + length)
        else:
            found.append((field, length))
    return found


def line(rows: Rows) -> str:
    """In one line, a greeting and our message's head as one word each: their parts have always the same lengths."""
    words = ", ".join(f"{field} {length}" for field, length in merged(rows))
    for name, parts in SHORT.items():
        words = words.replace(parts, name)
    return words


SHORT = {
    "GREETING": "zmtp.signature 10, zmtp.major 1, zmtp.minor 1, zmtp.mechanism 20, zmtp.as_server 1, zmtp.filler 31",
    "SP-GREETING": "sp.signature 3, sp.version 1, sp.protocol 2, sp.reserved 2",
    "HEAD": "message.end_of_topic 1, message.version 1, message.kind 1, message.zero 2, message.body_length 4, "
            "message.sequence 8, message.sent 8",
}  # fmt: skip


def expected() -> dict[str, list[str]]:
    """Of each case: up, down, and the totals of both."""
    found: dict[str, list[str]] = {}
    for text in EXPECTED.read_text().splitlines():
        if text.startswith("    "):
            found[name].append(text.strip())
        else:
            name = text
            found[name] = []
    return found

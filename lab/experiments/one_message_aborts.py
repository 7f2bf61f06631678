"""A subscriber that sends a message to its publisher."""

from __future__ import annotations

import socket
from typing import Any

from lab.workbench import Observation, Program, Workbench, unread

THEME = "publish/subscribe"
ORDER = 95
QUESTION = (
    "A publisher only sends. A peer connects as a correct subscriber, and then sends it a message, "
    "as no subscriber does. What does the publisher do?"
)
FIND = (
    "crash abort assertion failed core dump denial of service attack malicious subscriber xpub.c "
    "unexpected message SIGABRT security"
)
PREDICT = ["it drops the message", "it hangs up", "it is aborted"]
PANELS = ["zmq", "nanomsg", "nng"]
EXPLANATION = """
An assertion is for mistakes of the program itself. nanomsg's PUB has one where a message from a
subscriber would be taken: "We shouldn't get any messages from subscribers" says the source, and the
process ends (nn_xpub_in). The greeting that any subscriber sends, and one message, are enough.
Bytes from a network may be anything: a program must check them, and not assert what they are.

The panel sets NN_RCVMAXSIZE to 0. Then nanomsg closes the connection of a peer that sends a longer
message, before the assertion is reached. An empty message is within every limit and still ends the
process; we know of no option against it. A port of nanomsg on an open network needs a guard in
front of it that looks at the messages.

NNG drops such a message and closes the connection; the others are served. ZeroMQ takes a
subscriber's message for a subscription if its first byte is 1, for the end of one if it is 0, and
drops all others (an XPUB hands them to the program). It speaks another protocol, so the experiment
sends it a message of its own protocol, and it goes on.
"""
SOURCES = [
    "nanomsg: src/protocols/pubsub/xpub.c, nn_xpub_in()",
    "NNG: src/sp/protocol/pubsub0/pub.c, pub0_pipe_recv_cb()",
    "zmq_socket(3), ZMQ_PUB and ZMQ_XPUB",
    "ZeroMQ RFC 23 (ZMTP 3.0): https://rfc.zeromq.org/spec/23/",
]
TRY_NEXT = "lab junk-at-the-door: what is no message at all. Which libraries survive that?"
WORDS = {
    "after it": "after the message the publisher: {}",
    "heard": "another subscriber still hears it: {}",
    "panel": "after the same message the panel's publisher: {}",
    "panel, empty": "after an empty message the panel's publisher: {}",
    "hangs up": "it closes that subscriber's connection: {}",
}
PANEL = {"panel": "goes on", "panel, empty": "goes on"}
LIVES = {"after it": "goes on", "heard": True, "hangs up": False, **PANEL}
EXPECTED: dict[str, Any] = {
    "zmq": LIVES,
    "nanomsg": {
        "after it": "is aborted",
        "heard": False,
        "hangs up": False,
        "panel": "goes on",
        "panel, empty": "is aborted",
    },
    "nng": {**LIVES, "hangs up": True},
}
SP_SUB = b"\0SP\0\0\x21\0\0"  # the greeting of a subscriber
SP_MESSAGE = bytes(7) + b"\x05hello"  # its length, and five bytes
SP_EMPTY = bytes(8)
ZMTP_SUB = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(48)
ZMTP_READY = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB"
ZMTP_MESSAGE = b"\0\x05hello"
ZMTP_EMPTY = b"\0\0"


def send(port: int, parts: list[bytes]) -> socket.socket:
    """Greets, waits for the publisher's greeting, and sends the rest."""
    peer = socket.create_connection(("127.0.0.1", port), 5)
    peer.sendall(parts[0])
    got = b""
    while len(got) < len(parts[0]):
        got += peer.recv(len(parts[0]) - len(got))
    for part in parts[1:]:
        peer.sendall(part)
    return peer


def read(workbench: Workbench, url: str, publisher: Program) -> None:
    """Waits until a publisher has read what was sent to it, and done what follows, or has ended."""
    workbench.wait_for(lambda: unread(url) == 0 or not publisher.running)
    workbench.settle(publisher)


def drained(peer: socket.socket) -> bool:
    """Reads to the end, which comes if the publisher hangs up."""
    while peer.recv(4096):
        pass
    return True


def run(workbench: Workbench, panel: str) -> Observation:
    port = workbench.port()
    url = f"tcp://127.0.0.1:{port}"
    publisher = workbench.calls("socket PUB", f"bind {url}")
    good = workbench.calls("socket SUB", "set RCVTIMEO 50", "set SUBSCRIBE ", f"connect {url}")

    def heard() -> bool:
        return publisher.call("send hello")["result"] >= 0 and good.call("recv")["result"] >= 0

    if not workbench.wait_for(heard):
        raise AssertionError("no event arrives, before anything has happened")
    begin = [ZMTP_SUB, ZMTP_READY] if panel == "zmq" else [SP_SUB]
    message = ZMTP_MESSAGE if panel == "zmq" else SP_MESSAGE
    with send(port, [*begin, message]) as peer:
        workbench.say("a subscriber has sent a message")
        expected = EXPECTED.get(panel, LIVES)["heard"]
        read(workbench, url, publisher)
        status = publisher.ended(0.0 if expected else 5.0)
        peer.settimeout(10.0 if panel == "nng" else 0.4)
        try:
            hangs_up = status is None and drained(peer)
        except TimeoutError:
            hangs_up = False
        except OSError:
            hangs_up = status is None
    data: dict[str, Any] = {"after it": "goes on", "heard": False, "hangs up": hangs_up}
    if status is None:
        data["heard"] = bool(workbench.wait_for(heard))
        phrase = "hangs up on it and goes on" if hangs_up else "goes on"
    else:
        data["after it"] = "is aborted" if status == -6 else f"ends with {status}"
        phrase = f"{data['after it']} (xpub.c)" if status == -6 else data["after it"]
    workbench.say(f"the publisher {phrase}")
    empty = ZMTP_EMPTY if panel == "zmq" else SP_EMPTY
    for key, words in (("panel", message), ("panel, empty", empty)):
        own = workbench.port()
        own_url = f"tcp://127.0.0.1:{own}"
        driver = workbench.driver("pub", own_url)
        driver.begin("idle 20000")
        with send(own, [*begin, words]):
            read(workbench, own_url, driver)
            data[key] = "goes on" if driver.ended(0.0) is None else "is aborted"
        workbench.say(f"{key}: the publisher {data[key]}")
    phrase = f"the publisher {phrase}; the panel's {data['panel']}"
    if data["panel, empty"] != data["panel"]:
        phrase += f", but {data['panel, empty']} by an empty message"
    return Observation(data, phrase, 3 if status is not None else 2 if hangs_up else 1)

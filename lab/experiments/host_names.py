"""localhost has two addresses here; and a name that does not exist."""

import os
import socket

from lab.workbench import Observation, Skip, Workbench
from harness.panels import BUILD

THEME = "streams, signals, processes"
ORDER = 80
QUESTION = (
    "A server listens on 127.0.0.1; localhost is ::1 and 127.0.0.1, as Debian writes it. "
    "Does a client that connects to tcp://localhost reach it?"
)
FIND = "localhost IPv6 IPv4 AF_INET6 AF_INET DNS resolve getaddrinfo name dual stack"
PREDICT = ["yes", "with IPv6 turned off only", "no"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
NEEDS = ["namespaces"]
EXPLANATION = """
A name stands for a list of addresses, the preferred one first. With IPv6 that is ::1. The lecture's
loop over getaddrinfo's list tries one address after the other. The libraries take the first and
keep to it: with IPv6 on they connect to ::1, where nobody listens, again and again, and never say
so. ZeroMQ and nanomsg have IPv6 off by default, so by default it works, until somebody turns IPv6
on. In NNG it is always on.

A name that does not exist is no error either. connect has succeeded; a thread resolves the name
later, again and again, so a misspelt name looks like a server that is down. Only the program with a
plain socket learns it, from getaddrinfo, which blocks meanwhile. The panels resolve names
beforehand, in common/address.c, IPv4 first, and give the libraries literal addresses.
"""
SOURCES = [
    "getaddrinfo(3); RFC 6724 (order of addresses); RFC 8305 (happy eyeballs)",
    "zmq_tcp(7), zmq_setsockopt(3), ZMQ_IPV6; nn_tcp(7), NN_IPV4ONLY",
    "lab/probes/names.c",
]
TRY_NEXT = "Which address does the server take if it binds to tcp://localhost?"
WORDS = {
    "ipv6": "with IPv6 on, or the first address alone, the server is reached: {}",
    "each": "with each address tried, the server is reached: {}",
    "default": "by default the server is reached: {}",
    "unknown": "connect to an unknown name says: {}",
}
EXPECTED = {
    "raw": {"ipv6": False, "each": True, "unknown": "Name or service not known"},
    "zmq": {"default": True, "ipv6": False, "unknown": "none"},
    "nanomsg": {"default": True, "ipv6": False, "unknown": "none"},
    "nng": {"default": False, "ipv6": False, "unknown": "none"},
}
FILES = {  # as this client sees them, in a mount namespace of its own; no DNS is asked
    "hosts": "::1 localhost\n127.0.0.1 localhost\n",
    "nsswitch.conf": "hosts: files\n",
}
INTO = """
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
shift
exec "$@"
"""


def ask(workbench: Workbench, name: str, how: str, expected: bool) -> tuple[bool, str]:
    """Whether 127.0.0.1 was reached, and what connect said.

    Where it is not expected, a second without a connection is enough.
    """
    for file, text in FILES.items():
        (workbench.folder / file).write_text(text)
    probe = BUILD / "lab" / "probes" / f"names-{workbench.panel}"
    if not os.access(probe, os.X_OK):
        raise Skip(f"no probe names for {workbench.panel}")
    own = "-m" if os.geteuid() == 0 else "-rm"
    port = workbench.port()
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(10 if expected else 1)
        url = f"tcp://{name}:{port}"
        inside = ("unshare", own, "sh", "-ec", INTO, "sh", workbench.folder)
        client = workbench.start(*inside, probe, url, how)
        answer = client.heard()
        if answer is None:
            raise Skip(f"needs a mount namespace: {client.stderr().strip()}", "namespaces")
        try:
            server.accept()[0].close()
        except TimeoutError:
            return False, answer["error"]
        return True, answer["error"]


def run(workbench: Workbench, panel: str) -> Observation:
    default = "each" if panel == "raw" else "default"
    data: dict[str, object] = {}
    data[default], said = ask(workbench, "localhost", default, bool(EXPECTED[panel][default]))
    reached = "reached" if data[default] else "not reached"
    workbench.say(f"connect says: {said}; 127.0.0.1 is {reached}")
    data["ipv6"], _ = ask(workbench, "localhost", "ipv6", False)
    _, data["unknown"] = ask(workbench, "no-such-host.invalid", default, False)
    phrase = "reached" if data[default] else "not reached"
    if data[default] and not data["ipv6"]:
        phrase += "; not by the first address alone" if panel == "raw" else "; not with IPv6 on"
    none = data["unknown"] == "none"
    phrase += f"; an unknown name: {'no error' if none else data['unknown']}"
    always = data["ipv6"] or panel == "raw"
    return Observation(data, phrase, 3 if not data[default] else 1 if always else 2)

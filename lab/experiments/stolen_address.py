"""A second server comes to an address that has one."""

from __future__ import annotations

from typing import Any

from lab.workbench import Observation, Workbench, version

THEME = "request/reply"
ORDER = 100
QUESTION = (
    "A second server binds to an address that is taken: a port, a UNIX path, a path with "
    "somebody's file. What happens?"
)
FIND = "address already in use EADDRINUSE port taken bind two servers SO_REUSEADDR"
PREDICT = [
    "it is refused each time",
    "it is refused, except that a file in the way is deleted",
    "a port is safe, a UNIX path is taken over from the living server, a file is deleted",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
A port belongs to the kernel, which refuses the second bind. A UNIX socket's path is a file that
stays behind when its server dies, so every library has to deal with stale files, and each does it
in its own way. ZeroMQ unlinks whatever is at the path and binds anew: the first server lives on,
and so do its clients, but every new client reaches the second one, and nobody is told. nanomsg and
NNG first try to connect: if somebody accepts, the address is in use. Up to release 1.5 NNG's
attempt harms the server that it meets: a connection that comes and goes without a byte disturbs its
listener, and the next client mostly reaches nobody (NNG issue 1518; cured in 1.6).

The file at the path need not be a socket. All three libraries delete a regular file there, without
a word. Plain sockets refuse it (EADDRINUSE), as they do a stale path. For that reason the panels
get only addresses that common/address.c has checked.
"""
SOURCES = [
    "unix(7); bind(2), EADDRINUSE; unlink(2)",
    "libzmq: src/ipc_listener.cpp, ::unlink before bind; zmq_ipc(7)",
    "nanomsg: src/transports/ipc/bipc.c; NNG: src/platform/posix/posix_ipclisten.c",
    "https://github.com/nanomsg/nng/issues/1518: Disconnect during negotiation breaks listener",
    "common/CONTRACT.md, R10",
]
TRY_NEXT = "lab path-that-stays: what a UNIX socket's file is."
KINDS = {"tcp": "port", "ipc": "path"}
REFUSED = {"client_reaches": "the first server"}
IN_USE = {"second_bind": "Address already in use", **REFUSED}
NNG_IN_USE = {"second_bind": "Address in use"}
TRIALS = 8  # over ipc: in NNG it is luck whether the listener is disturbed
ISSUE_1518 = version("nng") < (1, 6)
WORDS = {
    "client_reaches": "a new client reaches {}",
    "second_bind": "the second server's bind: {}",
    "nobody": "{} new clients reached nobody",
    "bind": "bind to a path with a file: {}",
    "deleted": "the file was deleted: {}",
}
NOBODY_S, SURE_S = 1.0, 10.0  # silence, where it is expected and where it is not
CHECKED = {"deleted": False}
EXPECTED: dict[str, Any] = {
    "raw": {
        "tcp": IN_USE,
        "ipc": {**IN_USE, "nobody": 0},
        "file": {"bind": "Address already in use", "deleted": False},
        "file_checked": CHECKED,
    },
    "zmq": {
        "tcp": IN_USE,
        "ipc": {"second_bind": "succeeds", "client_reaches": "the second server", "nobody": 0},
        "file": {"bind": "succeeds", "deleted": True},
        "file_checked": CHECKED,
    },
    "nanomsg": {
        "tcp": IN_USE,
        "ipc": {**IN_USE, "nobody": 0},
        "file": {"bind": "succeeds", "deleted": True},
        "file_checked": CHECKED,
    },
    "nng": {
        "tcp": {**NNG_IN_USE, **REFUSED},
        "ipc": {**NNG_IN_USE, "nobody": [1, TRIALS] if ISSUE_1518 else 0},
        "file": {"bind": "succeeds", "deleted": True},
        "file_checked": CHECKED,
    },
}


def second(workbench: Workbench, kind: str) -> tuple[str, str]:
    """What a second server's bind says, and whom a new client reaches then."""
    url = workbench.url(kind)
    first = workbench.driver("rep", url, timeout=20_000)
    other = workbench.driver()
    opened = other.call(f"open rep {url} timeout=20000")
    client = workbench.driver("req", url, timeout=20_000)
    servers = {"the first server": first}
    if opened["result"] == 0:
        servers["the second server"] = other
    for server in servers.values():
        server.begin("recv")
    client.begin("send who is there?")  # in NNG it waits for a connection

    def heard() -> str:
        said = {name: server.heard("", 0.0) or {} for name, server in servers.items()}
        return next((name for name, event in said.items() if event.get("text")), "")

    somebody = EXPECTED.get(workbench.panel, {}).get(kind, {}).get("nobody", 0) == 0
    reached = workbench.wait_for(heard, SURE_S if somebody else NOBODY_S) or "nobody"
    for program in (first, other, client):
        program.kill()
    return opened.get("error", "succeeds"), reached


def run(workbench: Workbench, panel: str) -> Observation:
    said: dict[str, str] = {}
    data: dict[str, Any] = {}
    for kind in KINDS:
        tries = [second(workbench, kind) for _ in range(TRIALS if kind == "ipc" else 1)]
        said[kind], reached = tries[0]
        workbench.say(f"a second server binds to the {KINDS[kind]}: {said[kind]}")
        nobody = sum(reached == "nobody" for _, reached in tries)
        workbench.say(f"a new client reaches {reached}; {nobody} of {len(tries)} reach nobody")
        data[kind] = {"second_bind": said[kind], "client_reaches": reached, "nobody": nobody}

    path = workbench.path("a-file")
    path.write_text("somebody's work")
    probe = workbench.probe("address", "bind", f"ipc://{path}")
    bound = probe.hear()["error"] or "succeeds"
    deleted = not path.is_file()
    workbench.say(
        f"the library binds to a path with a file: {bound}; it is {'gone' if deleted else 'there'}"
    )
    data["file"] = {"bind": bound, "deleted": deleted}
    driver = workbench.driver()
    path.unlink(missing_ok=True)
    path.write_text("somebody's work")
    refused = driver.call(f"open rep ipc://{path}").get("error", "succeeds")
    workbench.say(f"the panel, with the address checked first: {refused}")
    data["file_checked"] = {"bind": refused, "deleted": not path.is_file()}
    stolen = data["ipc"]["client_reaches"] == "the second server"
    nobody = data["ipc"]["nobody"]
    phrase = (
        f"port: {said['tcp']}; path: "
        + ("taken over from the living server" if stolen else said["ipc"])
        + (f", and then {nobody} of {TRIALS} new clients reach nobody" if nobody else "")
        + f"; file: {'deleted' if deleted else bound}"
    )
    return Observation(data, phrase, 3 if stolen else 2 if deleted else 1)

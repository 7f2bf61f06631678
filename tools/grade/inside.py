"""What runs inside the sandbox: builds a submission, checks it, writes a JSON line for each stage.

    {"stage": "begin"}
    {"stage": "build", "ok": bool, "words": [...], "warnings": N, "seconds": S}
    {"stage": "check", "report": check's JSON}
    {"stage": "again", "report": check's JSON}     of the clauses that were broken, tried again
    {"stage": "done"}

Nothing of this can be read or changed by the submission's processes, which run as the same user: a
process that is not dumpable cannot be traced, and its descriptors cannot be opened (ptrace(2)).
They can end it, which costs them their marks. The build runs what the submission's meson.build
says, so nothing of it may be left when the tests begin: no process, since one would see the tests
start, before they are guarded; and no module that Python would find (-P, PYTHONNOUSERSITE).
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from check.contract import Failed, run
from harness.panels import BUILD, ROOT, read_panels

BUILD_S = 120
PR_SET_DUMPABLE = 4


def guard() -> None:
    """From now on no other process of this user can look into this one."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def end_others() -> None:
    """All processes of this user but this one: in the sandbox there is nobody else."""
    if "TRIPTYCH_GUARD" in os.environ:  # so it is a sandbox
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)


def limit(order: dict[str, Any]) -> None:
    for what, most in (
        (resource.RLIMIT_NPROC, order["threads"]),
        (resource.RLIMIT_FSIZE, order["disk"] << 20),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def need_ipv6(transports: list[str]) -> None:
    """Without it, every panel would fail over these transports."""
    if {"tcp6", "udp6"} & set(transports):
        try:
            with socket.socket(socket.AF_INET6) as sock:
                sock.bind(("::1", 0))
        except OSError as error:
            sys.exit(
                f"no IPv6 here (::1: {error.strerror}): the rubric's transports "
                "must be without tcp6, udp6"
            )


def compiler_words(text: str) -> list[str]:
    """The first errors of a compiler or of Meson, with the line of code below each."""
    lines = text.splitlines()
    at = [n for n, line in enumerate(lines)
          if re.search(r"(^|\s)(fatal )?error:|ERROR:|undefined reference", line)]  # fmt: skip
    chosen: list[str] = []
    for n in at[:5]:
        chosen += [line for line in lines[n : n + 3] if line.strip() and not line.startswith("[")]
    return [line[:300] for line in (chosen or lines[-10:])]


def build(order: dict[str, Any]) -> dict[str, Any]:
    if order["programs"]:
        return {"stage": "build", "ok": True, "words": [], "warnings": None, "seconds": 0.0}
    panel = order["panel"]
    targets = [f"{panel}-{role}" for role in ("req", "rep", "pub", "sub", "driver")]
    began = time.monotonic()
    text, ok = "", True
    for command in (
        ["meson", "setup", str(BUILD), str(ROOT)],
        ["ninja", "-C", str(BUILD), "-j", "2", *targets],
    ):
        left = max(1.0, BUILD_S - (time.monotonic() - began))
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=left,
            )
            text = done.stdout.decode("utf-8", "replace")
            ok = done.returncode == 0
        except subprocess.TimeoutExpired:
            text, ok = f"error: the build was not done after {BUILD_S} s", False
        if not ok:
            break
    warnings = len(re.findall(rf"/{panel}/[^ ]*: warning:", text))
    return {
        "stage": "build",
        "ok": ok,
        "words": [] if ok else compiler_words(text),
        "warnings": warnings if ok else None,
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> int:
    guard()
    order = json.loads(sys.argv[1])
    # Not standard output: bubblewrap's own first process has that too, and other users than root
    # can open it there. It closes all other descriptors.
    results = os.fdopen(order["results"], "w", encoding="utf-8")
    os.set_inheritable(order["results"], False)
    limit(order)
    need_ipv6(order["transports"])

    def write(line: dict[str, Any]) -> None:
        results.write(json.dumps(line) + "\n")
        results.flush()

    write({"stage": "begin"})
    built = build(order)
    end_others()
    write(built)
    if built["ok"]:
        panel = next(one for one in read_panels() if one.name == order["panel"])
        clauses, transports, tests = order["clauses"], order["transports"], order["tests"]
        try:
            report = run(panel, clauses, transports, tests=tests).as_json()
            write({"stage": "check", "report": report})
            broken = [c for c, about in report["clauses"].items()
                      if any(r["result"] in ("broken", "not reached")
                             for r in about["results"].values())]  # fmt: skip
            if broken:
                end_others()
                again = run(panel, broken, transports, tests=tests)
                write({"stage": "again", "report": again.as_json()})
        except Failed as failed:
            write({"stage": "failed", "words": str(failed).splitlines()[-10:]})
    write({"stage": "done"})
    return 0


if __name__ == "__main__":
    sys.exit(main())

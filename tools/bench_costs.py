"""What a message costs besides time: system calls, from a traced run, and bytes, from the tap.

Both are differences of two runs, a long and a short one, so that what starting and ending cost
drops out. The traced runs are runs of their own: tracing makes a program many times slower.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from bench_kinds import Case, stage_for
from bench_run import Failed, address, summary_of
from panels import BUILD, Panel
from processes import free_port

SHORT, LONG = 100, 600  # messages
TRACE_SECONDS = 20.0


def calls_in(report: str) -> dict[str, int]:
    """strace's table: calls by name."""
    calls = {}
    for line in report.splitlines():
        match = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
        if match and match[2] != "total":
            calls[match[2]] = calls.get(match[2], 0) + int(match[1])
    return calls


def traced(panel: Panel, roles: tuple[str, str], count: int) -> dict[str, dict[str, int]]:
    """One run with both sides traced: system calls by role and name."""
    server_role, client_role = roles
    with tempfile.TemporaryDirectory(prefix="bench") as folder, stage_for(Case("latency", placement="free")) as stage, address("tcp") as url:
        files = {role: Path(folder) / role for role in roles}
        number = ["-n", str(count)]
        size = ["-s", "64"]
        stage.prefix = ["strace", "-f", "-c", "-o", str(files[server_role])]
        delay = ["-d", "1000", "-r", "2000", *size] if server_role == "pub" else []
        server = stage.start(panel, server_role, "server", "--quiet", "-u", url, *number, *delay)
        stage.need_ready(server)
        stage.prefix = ["strace", "-f", "-c", "-o", str(files[client_role])]
        patience = ["-t", "5000"]
        client = stage.start(panel, client_role, "client", "--quiet", "-u", url, *number, *patience, *(size if client_role == "req" else []))
        stage.wait_ended([client, server], TRACE_SECONDS)
        if client.running or server.running:
            raise Failed(f"{panel.name}: the traced run did not end")
        return {role: calls_in(files[role].read_text()) for role in roles}


def system_calls(panel: Panel, roles: tuple[str, str]) -> dict[str, dict[str, float]]:
    """System calls a message, by role and name; "all" is their sum. Empty without strace."""
    if not shutil.which("strace"):
        return {}
    short, long = (traced(panel, roles, count) for count in (SHORT, LONG))
    result = {}
    for role in roles:
        names = {name: (calls - short[role].get(name, 0)) / (LONG - SHORT) for name, calls in long[role].items()}
        names = {name: round(value, 2) for name, value in names.items() if value >= 0.01}
        result[role] = {"all": round(sum(names.values()), 2), **names}
    return result


def bytes_passed(panel: Panel, roles: tuple[str, str], count: int, size: int) -> tuple[int, int]:
    """Bytes to the server and from it when so many messages go through the tap."""
    server_role, client_role = roles
    back, front = free_port(), free_port()
    with stage_for(Case("latency", placement="free")) as stage:
        body = ["-s", str(size)]
        delay = ["-d", "800", "-r", "1000", *body] if server_role == "pub" else []
        number = ["-n", str(count)]
        server = stage.start(panel, server_role, "server", "--quiet", "-u", f"tcp://127.0.0.1:{back}", *(number if delay else []), *delay)
        stage.need_ready(server)
        tap = subprocess.Popen(
            [str(BUILD / "tap"), "-l", f"tcp://127.0.0.1:{front}", "-c", f"tcp://127.0.0.1:{back}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        try:
            stage.pause(0.1)
            client = stage.start(panel, client_role, "client", "--quiet", "-u", f"tcp://127.0.0.1:{front}", *number, "-t", "3000", *(body if not delay else []))
            stage.wait_ended([client], TRACE_SECONDS)
            stage.stop([client, server])
            if summary_of(client)["received"] != count:
                raise Failed(f"{panel.name}: not all came through the tap")
        finally:
            tap.send_signal(signal.SIGTERM)
            text = tap.communicate(timeout=5)[0].decode()
    match = re.search(r'"summary".*"up":{"received":(\d+).*"down":{"received":(\d+)', text)
    if not match:
        raise Failed("the tap has not told what passed")
    return int(match[1]), int(match[2])


def wire_bytes(panel: Panel, roles: tuple[str, str], size: int = 64) -> dict[str, float]:
    """Bytes a message with a body of `size` takes on the wire, each way."""
    short, long = 20, 120
    few, many = (bytes_passed(panel, roles, count, size) for count in (short, long))
    to, back = ((many[i] - few[i]) / (long - short) for i in (0, 1))
    return {"to_server": to, "from_server": back}

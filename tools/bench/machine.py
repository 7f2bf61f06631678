"""What the figures were measured with: the machine, the build, the options really in force."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import socket
from pathlib import Path
from typing import Any

from bench.kinds import Case, stage_for
from bench.run import FREE, Baseline, pair_in_words
from harness.panels import BUILD, Panel

PIDFD_OPEN, PIDFD_GETFD = 434, 438  # the same on every architecture since Linux 5.6
SOCKET_OPTIONS = {
    "SO_SNDBUF": (socket.SOL_SOCKET, socket.SO_SNDBUF),
    "SO_RCVBUF": (socket.SOL_SOCKET, socket.SO_RCVBUF),
    "TCP_NODELAY": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
}


def first_line(path: str, pattern: str = "(.*)") -> str:
    try:
        match = re.search(pattern, Path(path).read_text())
    except OSError:
        return "?"
    return match[1].strip() if match else "?"


def machine() -> dict[str, Any]:
    """The machine as it is now, before anything runs."""
    return {
        "cpu": first_line("/proc/cpuinfo", r"model name\s*:\s*(.*)"),
        "cpus": len(os.sched_getaffinity(0)),
        "pair": pair_in_words(),
        "hypervisor": "hypervisor" in first_line("/proc/cpuinfo", r"flags\s*:\s*(.*)").split(),
        "memory_mib": int(first_line("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) >> 10,
        "kernel": f"{platform.system()} {platform.release()}",
        "system": first_line("/etc/os-release", r'PRETTY_NAME="([^"]*)'),
        "clock": first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "congestion_control": first_line("/proc/sys/net/ipv4/tcp_congestion_control"),
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def build_type() -> str:
    """How the programs were built: "debugoptimized", with sanitizers if there are any."""
    try:
        options = json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())
    except (OSError, ValueError):
        return "unknown"
    values = {option["name"]: option["value"] for option in options}
    sanitize = values.get("b_sanitize", "none")
    kind = str(values.get("buildtype", "unknown"))
    return kind if sanitize in ("none", [], "") else f"{kind} with {sanitize} sanitizer"


def socket_options(pid: int) -> dict[str, int]:
    """The options of a running child's connected sockets, read through copies of its descriptors.

    If its sockets differ, the smallest value. Empty where the kernel does not let us.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    found: dict[str, int] = {}
    if pidfd < 0:
        return found
    try:
        for entry in list(Path(f"/proc/{pid}/fd").iterdir()):
            try:
                if not os.readlink(entry).startswith("socket:"):
                    continue
            except OSError:
                continue
            fd = libc.syscall(PIDFD_GETFD, pidfd, int(entry.name), 0)
            if fd < 0:
                continue
            with socket.socket(fileno=fd) as copy:
                try:
                    if copy.family != socket.AF_INET:
                        continue
                    copy.getpeername()  # a listening one has no peer
                    for name, (level, option) in SOCKET_OPTIONS.items():
                        value = copy.getsockopt(level, option)
                        found[name] = min(value, found.get(name, value))
                except OSError:
                    continue
    except OSError:
        pass
    finally:
        os.close(pidfd)
    return found


def options_in_force(panel: Panel) -> dict[str, dict[str, int]]:
    """The options of the sockets on both sides of a panel's connection, by role."""
    options: dict[str, dict[str, int]] = {}
    speaks = ["-n", "0", "-s", "64", "-r", "100"]
    for roles in (("rep", "req"), ("pub", "sub")):
        with stage_for(Case("latency", placement=FREE)) as stage:
            url = stage.url()
            programs = []
            for role in roles:
                arguments = speaks if role in ("req", "pub") else []
                programs.append(stage.play(panel, role, role, "--quiet", "-u", url, *arguments))
                stage.need_ready(programs[-1], 5)
            stage.pause(0.4)
            for role, program in zip(roles, programs):
                options[role] = socket_options(program.pid)
            stage.stop(programs)
    return options


def library_options(baseline: Baseline, queue: int) -> dict[str, dict[str, int]]:
    """The library's own options, read back from it by the baseline,
    which sets what the panel sets."""
    found: dict[str, dict[str, int]] = {}
    for role in ("rep", "req", "pub", "sub"):
        with stage_for(Case("latency", placement=FREE)) as stage:
            program = stage.play(baseline, role, role, "-u", stage.url(), "-q", str(queue))
            program.heard("ready", 3)
            options = [event for event in program.events if event.get("event") == "option"]
        found[role] = {option["name"]: option["value"] for option in options}
    return found

"""What a panel costs as a program: sections, libraries and their licences, and a server that runs.

All of it is asked of this system at this moment: size(1), ldd(1), dpkg(1), /usr/share/doc, /proc
and strace(1). What cannot be asked here is None, and a sentence says why.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness import panels
from compare.measures import compile_commands
from harness.folders import temporary_folder
from harness.panels import BUILD, Panel
from harness.program import Failed
from harness.stage import Stage
from harness.strace import calls, counting

REQUESTS = 200  # N: the calls of 2N requests less those of N, divided by N
BODY = 64  # bytes
WAIT_SECONDS = 60.0
C_LIBRARY = "libc6"  # its package: every program here needs it


@dataclass(frozen=True)
class Library:
    """A shared library and where it comes from."""

    name: str
    path: str
    size: int
    package: str
    version: str
    licence: str


@dataclass
class Costs:
    text: int | None = None
    data: int | None = None
    template_text: int | None = None
    template_data: int | None = None
    libraries: list[Library] = field(default_factory=list)
    version: str | None = None  # as the panel's program says
    threads: int | None = None
    descriptors: int | None = None
    memory_kib: int | None = None
    calls_server: float | None = None
    calls_client: float | None = None
    calls_by_name: dict[str, float] = field(default_factory=dict)  # the server's
    why_not: list[str] = field(default_factory=list)


def machine() -> dict[str, str | int | None]:
    """Where and how it was measured."""
    command = next(
        (entry["command"] for entry in compile_commands() if "common/" in entry["output"]), ""
    )
    words = shlex.split(command)
    compiler = (said([words[0], "--version"]) or "").splitlines() if words else []
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "compiler": compiler[0] if compiler else None,
        "optimised": " ".join(word for word in words if re.match(r"-(O|g|march)", word)) or None,
    }


def costs_of(panel: Panel) -> Costs:
    costs = Costs()
    archive = BUILD / f"lib{panel.name}.a"
    sections = section_sizes([archive]) if archive.exists() else None
    if sections:
        costs.text, costs.data = sections
        template = template_sizes(panel)
        if template:
            costs.template_text, costs.template_data = template
    else:
        costs.why_not.append(f"{panel.name}: no sizes of {archive.name}: not built, or no size(1)")
    if panel.built:
        costs.libraries = libraries(panel.program("rep"), costs.why_not)
        run_server(panel, costs)
        trace(panel, costs)
    else:
        costs.why_not.append(
            f"{panel.name}: not built, so nothing of it was run: its library is missing"
        )
    return costs


def said(command: list[str]) -> str | None:
    """What a command prints; None if it is not there or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def section_sizes(files: list[Path]) -> tuple[int, int] | None:
    """Bytes of text (code and constants) and of data (with bss) of object files or archives."""
    output = said(["size", "--format=berkeley", *map(str, files)])
    if output is None:
        return None
    rows = [line.split() for line in output.splitlines()[1:]]
    return sum(int(row[0]) for row in rows), sum(int(row[1]) + int(row[2]) for row in rows)


@cache
def template_sizes_with(command: str, directory: str, source: str) -> tuple[int, int] | None:
    """The sections of template/, compiled as this command compiles a panel's source."""
    words = shlex.split(command)
    kept = []
    skip = 0
    for word in words:
        if skip:
            skip -= 1
        elif word in ("-o", "-MF", "-MQ"):
            skip = 1
        elif word not in ("-c", "-MD", source):
            kept.append(word)
    with temporary_folder() as folder:
        objects = []
        for path in sorted((panels.ROOT / "template").glob("*.c")):
            objects.append(folder / f"{path.stem}.o")
            try:
                done = subprocess.run(
                    [*kept, "-c", str(path), "-o", str(objects[-1])], cwd=directory,
                    capture_output=True,
                )
            except OSError:
                return None
            if done.returncode:
                return None
        return section_sizes(objects)


def template_sizes(panel: Panel) -> tuple[int, int] | None:
    for entry in compile_commands():
        if entry["output"].startswith(f"lib{panel.name}.a.p/"):
            return template_sizes_with(
                entry["command"].replace(entry["output"], "x.o"), entry["directory"], entry["file"]
            )
    return None


def libraries(program: Path, why_not: list[str]) -> list[Library]:
    """The shared libraries that the loader loads for a program, and those they need in turn."""
    output = said(["ldd", str(program)])
    if output is None:
        why_not.append(f"{program.name}: no list of libraries: ldd is missing or failed")
        return []
    paths = re.findall(r"(?:=> )?(/\S+) \(0x", output)
    packages = owners(tuple(sorted(set(paths))))
    return sorted(
        {library(path, package) for path, package in packages.items()},
        key=lambda library: library.name,
    )


@cache
def library(path: str, package: str) -> Library:
    real = os.path.realpath(path)
    version = (said(["dpkg-query", "-W", "-f", "${Version}", package]) or "") if package else ""
    return Library(
        os.path.basename(path), real, os.stat(real).st_size, package, version, licence(package)
    )


@cache
def owners(paths: tuple[str, ...]) -> dict[str, str]:
    """The Debian package of each file; empty: none. It may know the path with or without /usr.

    One question for all: dpkg reads the list of every package's files for each.
    """
    known = {
        path: [
            name for one in (path, os.path.realpath(path))
            for name in (one, one.removeprefix("/usr"), f"/usr{one}")
        ]
        for path in paths
    }
    asked = [name for names in known.values() for name in names]
    try:
        done = subprocess.run(
            ["dpkg", "-S", *asked], capture_output=True, text=True,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return dict.fromkeys(paths, "")
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        packages, _, file = line.rpartition(": ")
        if not line.startswith("diversion "):
            found.setdefault(file, packages.split(",")[0].split(":")[0])
    return {
        path: next((found[name] for name in names if name in found), "")
        for path, names in known.items()
    }


@cache
def licence(package: str) -> str:
    """The licence of most of a package, as /usr/share/doc/PACKAGE/copyright names it."""
    path = Path("/usr/share/doc") / package / "copyright"
    try:
        text = path.read_text(errors="replace") if package else ""
    except OSError:
        text = ""
    if not text:
        return "not stated here"
    # https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
    for paragraph in re.split(r"\n\s*\n", text):
        if re.search(r"^Files:\s*\*", paragraph, re.MULTILINE):
            found = re.search(r"^License:[ \t]*(\S.*)$", paragraph, re.MULTILINE)
            if found:
                return found[1].strip()
    named = sorted(set(re.findall(r"/common-licenses/([\w.+-]*[\w+])", text)))
    return f"prose; names {', '.join(named)}" if named else "prose"


def run_server(panel: Panel, costs: Costs) -> None:
    """Threads, descriptors and memory of a server while its one client asks."""
    with Stage() as stage:
        url = stage.url(panel.speaks[0])
        server = stage.play(panel, "rep", "rep", "-u", url)
        if stage.wait_ready([server]):
            costs.why_not.append(f"{panel.name}: its server did not start: {server.complaint}")
            return
        client = stage.play(panel, "req", "req", "-u", url, "-s", str(BODY), "-n", "0", "-r", "500")
        if not stage.wait(lambda: client.counts["received"] >= REQUESTS, WAIT_SECONDS):
            costs.why_not.append(
                f"{panel.name}: {REQUESTS} requests were not answered: {client.complaint}"
            )
            return
        costs.threads, costs.memory_kib = server.figure("Threads"), server.figure("VmRSS")
        costs.descriptors = server.descriptors()
        stage.stop([client, server])
        costs.version = (server.said("summary") or {}).get("version")


def trace(panel: Panel, costs: Costs) -> None:
    """System calls per request, of the server and of the client, under strace -f -c."""
    counted = [traced(panel, count, costs.why_not) for count in (REQUESTS, 2 * REQUESTS)]
    if counted[0] is None or counted[1] is None:
        return
    few, many = counted[0], counted[1]

    def per_request(role: str) -> float:
        return round((sum(many[role].values()) - sum(few[role].values())) / REQUESTS, 1)

    costs.calls_server, costs.calls_client = per_request("rep"), per_request("req")
    for name, number in many["rep"].items():
        each = round((number - few["rep"].get(name, 0)) / REQUESTS, 1)
        if each > 0:
            costs.calls_by_name[name] = each


def traced(panel: Panel, count: int, why_not: list[str]) -> dict[str, dict[str, int]] | None:
    """System calls by name of a server that answers so many requests, and of its client."""
    with Stage() as stage:
        url = stage.url(panel.speaks[0])
        tables = {role: stage.path(role) for role in ("rep", "req")}
        try:
            server = stage.play(
                panel, "rep", "rep", "-u", url, "-n", str(count), "--quiet",
                under=counting(tables["rep"]),
            )
        except Failed:
            why_not.append(f"{panel.name}: no system calls: strace is missing")
            return None
        if stage.wait_ready([server]):
            why_not.append(
                f"{panel.name}: no system calls: strace could not run its server: "
                f"{server.complaint}"
            )
            return None
        arguments = ("-u", url, "-n", str(count), "-s", str(BODY), "-t", "10000", "--quiet")
        client = stage.play(panel, "req", "req", *arguments, under=counting(tables["req"]))
        late = stage.wait_ended([client, server], WAIT_SECONDS)
        for program, done in ((server, "sent"), (client, "received")):
            if late or (program.said("summary") or {}).get(done) != count:
                why_not.append(
                    f"{panel.name}: no system calls: {count} requests under "
                    "strace were not all answered"
                )
                return None
        return {role: calls(table) for role, table in tables.items()}

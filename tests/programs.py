"""The programs under test as processes: start, read JSON lines with a deadline, stop, look inside.

Nothing here waits without a limit, and a Stage leaves no process, port or file behind.
"""

import json
import os
import random
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Optional

from harness.panels import ROOT, read_panels

Line = dict[str, Any]


class Failure(AssertionError):
    """A program did not do what it owed; carries its stderr."""


def until(condition: Callable[[], Any], within: float = 5.0, what: str = "") -> Any:
    """Calls condition until it is true and returns that; a failure after so many seconds."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {within} s: {what or condition}")
        time.sleep(0.002)


class Program:
    """A process that writes JSON lines."""

    def __init__(self, argv: list[str], errors: Path, sanitized: bool = False) -> None:
        self.argv = argv
        self.errors = errors
        self.sanitized = sanitized
        self.pending = b""
        with open(errors, "wb") as stderr:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, bufsize=0
            )
        self.pid = self.process.pid
        assert self.process.stdin and self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def stderr(self) -> str:
        return self.errors.read_text("utf-8", "replace")

    def fail(self, what: str) -> Failure:
        return Failure(f"{' '.join(self.argv)}: {what}; on stderr: {self.stderr()[-2000:]!r}")

    def write(self, text: str) -> None:
        try:
            self.stdin.write(text.encode())
        except BrokenPipeError:
            raise self.fail("has gone") from None

    def _line(self, deadline: float) -> Optional[bytes]:
        """The next line; b"" at the end of output; None when the deadline came first."""
        while b"\n" not in self.pending:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.stdout], [], [], left)[0]:
                return None
            data = os.read(self.stdout.fileno(), 1 << 16)
            if not data:
                return b""
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line

    def next(self, event: Optional[str] = None, within: float = 5.0) -> Line:
        """The next JSON line, or the next of that event: those before it are passed over."""
        deadline = time.monotonic() + within
        while True:
            line = self._line(deadline)
            if line is None:
                raise self.fail(f"no {event or 'line'} within {within} s")
            if line == b"":
                self.process.wait(5)
                raise self.fail(f"ended ({self.process.returncode}) before {event or 'a line'}")
            value: Line = json.loads(line)
            if event is None or value.get("event") == event:
                return value

    def has_line(self, within: float = 0.0) -> bool:
        return b"\n" in self.pending or bool(select.select([self.stdout], [], [], within)[0])

    def rest(self, within: float = 10.0) -> list[Line]:
        """All JSON lines to the end of output."""
        deadline, lines = time.monotonic() + within, []
        while (line := self._line(deadline)) != b"":
            if line is None:
                raise self.fail(f"still writing after {within} s")
            lines.append(json.loads(line))
        return lines

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, within: float = 10.0) -> int:
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise self.fail(f"still running after {within} s") from None

    def summary(self, within: float = 10.0) -> Line:
        """Its last line, which must be the summary; it has then ended."""
        lines = self.rest(within)
        self.wait(within)
        if not lines or lines[-1].get("event") != "summary":
            raise self.fail(f"ended without a summary: {lines[-3:]}")
        return lines[-1]

    def stop(self, number: int = signal.SIGINT, within: float = 10.0) -> Line:
        """A signal, then its summary; it must end with 0."""
        self.send_signal(number)
        summary = self.summary(within)
        if self.process.returncode != 0:
            raise self.fail(f"ended with {self.process.returncode} on signal {number}")
        return summary

    def kill(self) -> None:
        """SIGKILL, reaped; without effect when it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise self.fail(f"no {field} in its status")

    def memory(self) -> int:
        """Resident KiB now; 0 in a sanitizer's build, whose memory tells nothing."""
        return 0 if self.sanitized else self._status("VmRSS")

    def peak(self) -> int:
        """Resident KiB at most since the start or the last forget_peak()."""
        return 0 if self.sanitized else self._status("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def limit_descriptors(self, number: int) -> None:
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (number, number))


class Driver(Program):
    """PANEL-driver: a command a line, a JSON line for each."""

    owed = 0  # answers to commands begun
    role = ""  # of the handle opened last

    def __init__(self, argv: list[str], errors: Path, sanitized: bool = False) -> None:
        super().__init__(argv, errors, sanitized)
        self.begun: list[str] = []  # commands without an answer, oldest first
        self.said: tuple[float, str, Line] = (0.0, "", {})  # when it answered last, to what, and what

    def begin(self, command: str) -> None:
        self.write(command + "\n")
        self.owed += 1
        self.begun.append(command)
        if command.startswith("open "):
            self.role = command.split()[1]

    def result(self, within: float = 10.0) -> Line:
        line = self.next(within=within)
        self.owed -= 1
        self.said = (time.monotonic(), self.begun.pop(0), line)
        if "usage" in line:
            raise self.fail(line["usage"])
        return line

    def call(self, command: str, within: float = 10.0) -> Line:
        self.begin(command)
        return self.result(within)

    def must(self, command: str, within: float = 10.0) -> Line:
        line = self.call(command, within)
        if line["result"] < 0:
            raise self.fail(f"{command}: {line}")
        return line

    def open(self, role: str, url: str, **tuning: int) -> "Driver":
        self.must(f"open {role} {url} " + " ".join(f"{k}={v}" for k, v in tuning.items()))
        return self

    def ask(self, text: str, within: float = 10.0) -> Line:
        """A send and a recv; the send's line where that failed already."""
        self.begin("send " + text)
        self.begin("recv")
        sent, received = self.result(within), self.result(within)
        return sent if sent["result"] < 0 else received

    def recv(self, within: float = 10.0) -> str:
        """The text of a message that must come."""
        return str(self.must("recv", within)["text"])

    def asked(self, text: str, within: float = 10.0) -> bool:
        """Whether an echo came back in time."""
        line = self.ask(text, within)
        if line["result"] >= 0 and line["text"] != text:
            raise self.fail(f"asked {text!r}, was answered {line}")
        return bool(line["result"] >= 0)


def _port_is_free(port: int) -> bool:
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family) as s:
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                s.bind((address, port))
            except OSError:
                return False
    return True


def _port_range() -> range:
    """Outside the kernel's own choice, so that no client connects to itself."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return range(10000, low) if low > 15000 else range(high + 1, 65536)


class Stage:
    """One test's processes, addresses and files. Starts everything, ends everything."""

    def __init__(self, build: Path, panel: str, transport: str) -> None:
        self.build, self.panel, self.transport = build, panel, transport
        self.folder = Path(tempfile.mkdtemp(prefix="t3-"))
        self.programs: list[Program] = []
        self.reserved: list[socket.socket] = []
        self.allowed_paths: set[Path] = set()
        self.count = 0
        driver = build / f"{panel}-driver"
        self.sanitized = driver.exists() and b"__asan_init" in driver.read_bytes()

    def port(self) -> int:
        """A free port, held against other runs of this suite by an abstract socket's name."""
        for port in random.sample(_port_range(), 200):
            name = socket.socket(socket.AF_UNIX)
            try:
                name.bind(f"\0triptych-tests-port-{port}")
                if _port_is_free(port):
                    self.reserved.append(name)
                    return port
            except OSError:
                pass
            name.close()
        raise Failure("no free port")

    def path(self) -> Path:
        self.count += 1
        return self.folder / f"s{self.count}"

    def url(self, transport: Optional[str] = None) -> str:
        """A fresh address of the test's transport."""
        kind = transport or self.transport
        if kind == "ipc":
            return f"ipc://{self.path()}"
        return f"tcp://{'[::1]' if kind == 'tcp6' else '127.0.0.1'}:{self.port()}"

    def _errors(self) -> Path:
        self.count += 1
        return self.folder / f"stderr{self.count}"

    def program(self, role: str) -> Path:
        """PANEL-role; of a panel of ready programs it may stand in the panel's folder."""
        name = f"{self.panel}-{role}"
        folders = [panel.folder for panel in read_panels() if panel.name == self.panel]
        beside = [ROOT / folder / name for folder in folders if (ROOT / folder / name).exists()]
        return beside[0] if beside and not (self.build / name).exists() else self.build / name

    def start(self, role: str, *args: object) -> Program:
        """PANEL-role with these arguments."""
        argv = [str(self.program(role)), *map(str, args)]
        program = Program(argv, self._errors(), self.sanitized)
        self.programs.append(program)
        return program

    def run(self, role: str, *args: object, within: float = 20.0) -> tuple[int, list[Line], str]:
        """PANEL-role to its end: exit code, JSON lines, stderr."""
        program = self.start(role, "--json", *args)
        lines = program.rest(within)
        return program.wait(within), lines, program.stderr()

    def ready(self, role: str, url: str, *args: object) -> Program:
        """PANEL-role --json on that address, after its ready line."""
        program = self.start(role, "--json", "-u", url, *args)
        program.next("ready")
        return program

    def driver(self, role: str = "", url: str = "", **tuning: int) -> Driver:
        """PANEL-driver, with a handle open if a role is given."""
        argv = [str(self.build / f"{self.panel}-driver")]
        driver = Driver(argv, self._errors(), self.sanitized)
        self.programs.append(driver)
        return driver.open(role, url, **tuning) if role else driver

    def end(self) -> list[str]:
        """Ends all; returns what was wrong with their ends."""
        wrong = []
        for p in self.programs:
            p.stdin.close()
            if p.process.poll() is None and not (isinstance(p, Driver) and p.owed == 0):
                p.kill()
        for p in self.programs:
            try:
                p.process.wait(10)
            except subprocess.TimeoutExpired:
                wrong.append(str(p.fail("did not end at the end of its input")))
                p.kill()
            if p.process.returncode not in (0, 1, 2, -signal.SIGKILL):
                wrong.append(str(p.fail(f"ended with {p.process.returncode}")))
            if self.sanitized and "Sanitizer" in p.stderr():
                wrong.append(str(p.fail("sanitizer")))
            p.stdout.close()
        for name in self.reserved:
            name.close()
        shutil.rmtree(self.folder)
        return wrong


def sync(pub: Driver, subs: list[tuple[Driver, str]]) -> None:
    """Publishes until each subscriber is served; then empties them of what that sent."""
    for sub, prefix in subs:
        sub.begin("recv")
        deadline = time.monotonic() + 5
        while not sub.has_line():
            pub.must(f"send {prefix}~sync")
            sub.has_line(within=0.02)
            if time.monotonic() > deadline:
                raise sub.fail(f"got nothing of {prefix!r} within 5 s")
        line = sub.result()
        if line["result"] < 0:
            raise sub.fail(f"got nothing of {prefix!r}: {line}")
    ends = [f"{prefix}~end {i}" for i, (_, prefix) in enumerate(subs)]
    for end in ends:
        pub.must(f"send {end}")
    for sub, prefix in subs:
        last = [end for end in ends if end.startswith(prefix)][-1]
        sub.must(f"until {last}")


def others_are_answered(stage: Stage, url: str, asks: int = 10) -> None:
    """A client of 500 ms patience is answered every time."""
    other = stage.driver("req", url, timeout=5000)
    assert other.asked("warm")
    impatient = stage.driver("req", url, timeout=500)
    assert impatient.asked("warm") or impatient.asked("warm")  # its connection, once
    for i in range(asks):
        line = impatient.ask(f"ask {i}")
        assert line["result"] >= 0, f"ask {i} of {asks}: {line}"

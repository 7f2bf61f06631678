"""What one run of each benchmark does: round trips, publishing to one or many, idle clients.

Each takes a case and a number of messages and returns figures; how often, in which order, and what
becomes of the figures is not decided here.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench_run import (
    HEADER,
    PLACEMENTS,
    RUN_SECONDS,
    BenchStage,
    Child,
    Failed,
    Floor,
    Metrics,
    Usage,
    Watch,
    address,
    placed,
    size_for,
    summary_of,
    wait_quiet,
)
from panels import Panel
from processes import Program, free_port

JOIN_MS = [300]  # a publisher waits so long for its first subscriber; longer where that was too short ...
JOIN_MAX_MS = 3000
JOIN_EACH_MS = 8  # ... and so much longer for each more
WARM_UP = 0.1  # of the round trips are not timed, where the program can be told so


@dataclass(frozen=True)
class Case:
    """What is measured: everything that a figure depends on, but the competitor."""

    bench: str  # latency, throughput, fanout, connections
    transport: str = "tcp"
    placement: str = "one core"
    size: int = 64  # bytes of the body
    queue: int = 1000  # -q; 0: the library's own; -1: as many as there are messages
    rate: int = 0  # messages a second; 0: as fast as possible
    peers: int = 1  # subscribers, or idle clients

    def title(self) -> str:
        rate = f", {self.rate}/s" if self.rate else ""
        return f"{self.bench} {self.transport} {self.size} B {self.placement}{rate}"


@dataclass
class Outcome:
    """One run: its figures, and what others did to the machine meanwhile."""

    metrics: Metrics
    disturbed: bool
    others: float
    steal: float
    cpu: dict[str, float]  # seconds of CPU by side, to be compared with a shorter run's


@contextlib.contextmanager
def stage_for(case: Case) -> Iterator[BenchStage]:
    placement = PLACEMENTS[case.placement]
    with placed(placement), BenchStage(placement) as stage:
        yield stage


def finish(
    stage: BenchStage, watch: Watch, sides: dict[str, list[Program]], metrics: Metrics
) -> Outcome:
    """Adds to the figures what the processes have used; all of them have ended."""
    watch.end(stage.programs)
    cpu = {}
    for side, programs in sides.items():
        used = [Usage.of(program) for program in programs]
        cpu[side] = sum(u.cpu for u in used)
        metrics[f"{side}_voluntary"] = sum(u.voluntary for u in used)
        metrics[f"{side}_involuntary"] = sum(u.involuntary for u in used)
        metrics[f"{side}_memory_kib"] = max((stage.memory.get(p.process.pid, 0) for p in programs), default=0)
    return Outcome(metrics, watch.disturbed, watch.others, watch.steal, cpu)


def sized(panel: Panel, case: Case, server: str) -> list[str]:
    return ["-s", str(size_for(panel, case.size, server))]


def run_round_trips(panel: Panel, case: Case, count: int, warm_up: bool = False) -> Outcome:
    """A server, perhaps idle clients, and one client that asks so often."""
    if panel.name == "sockperf":
        return run_sockperf(case, count)
    with stage_for(case) as stage, address(case.transport) as url:
        watch = Watch(stage.placement)
        floor = isinstance(panel, Floor)
        size = sized(panel, case, "rep")
        server = stage.start(panel, "rep", "server", "--quiet", "-u", url, *(size if floor else []))
        stage.need_ready(server)
        idle = start_idle(stage, panel, url, case.peers) if case.bench == "connections" else None
        arguments = ["--quiet", "-u", url, "-n", str(count), *size]
        if case.rate:
            arguments += ["-r", str(case.rate)]
        if warm_up:
            arguments += ["--warm-up", str(int(count * WARM_UP))]
        client = stage.start(panel, "req", "client", *arguments)
        stage.wait_ended([client], RUN_SECONDS)
        memory = server.resources()[1]
        stage.stop([program for program in (client, server, idle) if program])
        summary = summary_of(client)
        if summary["received"] != count or not summary["latency_us"]:
            raise Failed(f"{panel.name}: {summary['received']} answers to {count} requests")
        metrics: Metrics = {**summary["latency_us"], "rate": summary["rate"] or 0.0}
        metrics["jitter"] = metrics["p99"] - metrics["p50"]
        metrics["count"] = count
        metrics["server_resident_kib"] = memory
        return finish(stage, watch, {"client": [client], "server": [server]}, metrics)


def start_idle(stage: BenchStage, panel: Panel, url: str, peers: int) -> Program | None:
    """Clients that connect, say as much as a server must hear to believe it, and wait."""
    if peers == 0:
        return None
    role = "zmtp" if "zmq" in panel.name else "plain" if plain(panel) else "sp"
    idler = Floor("bench-idle", "bench", "idle clients", "white")
    program = stage.start(idler, role, "idle", "-u", url, "-c", str(peers))
    stage.need_ready(program, RUN_SECONDS)
    stage.pause(0.3)  # the server takes them in
    return program


def plain(panel: Panel) -> bool:
    """Whether it speaks no library's protocol."""
    return not any(word in panel.name for word in ("zmq", "nanomsg", "nng"))


def run_sockperf(case: Case, count: int) -> Outcome:
    """An independent ping-pong beside ours, for as long as ours would take at 20 us a round trip."""
    port = str(free_port())
    size = str(max(case.size + HEADER, 14))  # its own least
    seconds = str(max(1, round(count * 20e-6)))
    pin = ["taskset", "-c", str(PLACEMENTS[case.placement].cpus()[-1])]
    with stage_for(case) as stage:
        watch = Watch(stage.placement)
        panel = Panel("sockperf", "", "sockperf", "white")
        command = [*pin, "sockperf", "server", "--tcp", "-i", "127.0.0.1", "-p", port]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                stage.pause(0.3)
                command = [*pin, "sockperf", "ping-pong", "--tcp", "--full-rtt", "-i", "127.0.0.1"]
                command += ["-p", port, "-m", size, "-t", seconds]
                text = subprocess.run(command, capture_output=True, timeout=RUN_SECONDS, check=False).stdout
            finally:
                server.kill()
        watch.end(stage.programs)
        return Outcome(parse_sockperf(panel.name, text.decode(errors="replace")), False, 0.0, 0.0, {})


def parse_sockperf(name: str, text: str) -> Metrics:
    found = {key: float(value) for key, value in re.findall(r"percentile ([\d.]+) =\s*([\d.]+)", text)}
    if "50.000" not in found:
        raise Failed(f"{name}: no percentiles in its output")
    extremes = {k.lower(): float(v) for k, v in re.findall(r"<(MIN|MAX)> observation =\s*([\d.]+)", text)}
    mean = re.search(r"avg-rtt=([\d.]+)", text)
    metrics = {"p50": found["50.000"], "p90": found["90.000"], "p99": found["99.000"]}
    metrics |= {"p999": found["99.900"], **extremes}
    metrics["mean"] = float(mean[1]) if mean else metrics["p50"]
    metrics["jitter"] = metrics["p99"] - metrics["p50"]
    return metrics


def run_publishing(panel: Panel, case: Case, count: int, roles: tuple[str, str] = ("pub", "sub")) -> Outcome:
    """A publisher and its subscribers; each counts what it gets, until all is there or nothing comes."""
    if panel.name.endswith("-push"):
        roles = ("push", "pull")
    floor = isinstance(panel, Floor)
    queue = count if case.queue < 0 else case.queue
    shared = ["--quiet", "-q", str(queue)]
    size = sized(panel, case, "pub")
    delay = JOIN_MS[0] + JOIN_EACH_MS * case.peers
    late: list[str] = []
    with stage_for(case) as stage, address(case.transport) as url:
        stage.listener = lambda program, event: late.extend(late_joiner(program.name, event))
        watch = Watch(stage.placement)
        arguments = [*shared, "-u", url, "-n", str(count), *size, "-d", str(delay)]
        if case.rate:
            arguments += ["-r", str(case.rate)]
        if floor:
            arguments += ["-c", str(case.peers)]
        publisher = stage.start(panel, roles[0], "publisher", *arguments)
        stage.need_ready(publisher)
        subscribers = [
            stage.start(panel, roles[1], f"subscriber {i}", *shared, "-u", url, "-n", str(count), *(size if floor else []))
            for i in range(case.peers)
        ]
        stage.wait_ended([publisher], RUN_SECONDS)
        wait_quiet(stage, subscribers, RUN_SECONDS)
        stage.stop([publisher, *subscribers])
        if late and case.queue != 0 and delay < JOIN_MAX_MS:
            JOIN_MS[0] = min(2 * JOIN_MS[0], JOIN_MAX_MS)
            raise Failed(f"{panel.name}: {late[0]} came too late")
        sent = summary_of(publisher)
        if sent["sent"] != count:
            raise Failed(f"{panel.name}: {sent['sent']} sent of {count}")
        metrics = delivered(case, sent, [summary_of(program) for program in subscribers])
        metrics["count"] = count
        return finish(stage, watch, {"client": subscribers, "server": [publisher]}, metrics)


def late_joiner(name: str, event: dict[str, Any]) -> list[str]:
    """Its name, if a subscriber's first event is not the publisher's first."""
    return [name] if event.get("event") == "first" and event.get("sequence") != 1 else []


def delivered(case: Case, sent: dict[str, Any], received: list[dict[str, Any]]) -> Metrics:
    """What arrived: in all a second, the share lost, and how the worst subscriber fared."""
    due = sent["sent"] * len(received)
    counts = [summary["received"] for summary in received]
    seconds = max(summary["seconds"] for summary in received)
    if len(received) > 1:  # one after the other they may get all in a moment each
        seconds = max(seconds, sent.get("seconds", 0.0))
    if seconds <= 0:
        raise Failed("nothing arrived")
    if any(count > sent["sent"] for count in counts):
        raise Failed("more arrived than was sent")
    rate = sum(summary["rate"] or 0.0 for summary in received)
    metrics: Metrics = {
        "rate": rate if len(received) == 1 else sum(counts) / seconds,
        "worst": min(summary["rate"] or 0.0 for summary in received),
        "worst_count": min(counts),
        "lost_share": 1.0 - sum(counts) / due,
        "received": sum(counts),
        "sending_rate": sent["rate"] or 0.0,
        "seconds": seconds,
    }
    metrics["bytes_rate"] = metrics["rate"] * (case.size + HEADER)
    latency = [summary["latency_us"] for summary in received if summary.get("latency_us")]
    if latency:
        metrics["one_way_p50"] = max(one["p50"] for one in latency)
        metrics["one_way_p99"] = max(one["p99"] for one in latency)
    return metrics


def run_iperf3(case: Case) -> Outcome:
    """An independent sender beside ours, one second of writes of 64 KiB."""
    port = str(free_port())
    cpus = PLACEMENTS[case.placement]
    sides = [["taskset", "-c", str(cpus.cpu(serves))] if cpus.cpu(serves) is not None else [] for serves in (True, False)]
    with stage_for(case) as stage:
        server = Child([*sides[1], "iperf3", "-s", "-1", "-p", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            stage.pause(0.3)
            command = [*sides[0], "iperf3", "-c", "127.0.0.1", "-p", port, "-l", "64K", "-t", "1", "-J"]
            text = subprocess.run(command, capture_output=True, timeout=RUN_SECONDS, check=False).stdout
        finally:
            server.kill()
            server.wait()
    match = re.search(r'"sum_received":\s*{[^}]*"bits_per_second":\s*([\d.e+]+)', text.decode())
    if not match:
        raise Failed("iperf3: no result in its output")
    rate = float(match[1]) / 8
    return Outcome({"bytes_rate": rate, "rate": rate / (case.size + HEADER), "lost_share": 0.0}, False, 0.0, 0.0, {})


def run_case(panel: Panel, case: Case, count: int, warm_up: bool = False) -> Outcome:
    """One run of whatever the case is."""
    if panel.name == "iperf3":
        return run_iperf3(case)
    if case.bench in ("latency", "connections"):
        return run_round_trips(panel, case, count, warm_up)
    return run_publishing(panel, case, count)

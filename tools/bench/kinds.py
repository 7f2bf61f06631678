"""What one run of each benchmark does: round trips, publishing to one or many, idle clients.

Each takes a case and a number of messages and returns figures; how often, in which order, and what
becomes of the figures is not decided here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.run import (
    HEADER,
    HOSTS,
    ONE,
    PLACEMENTS,
    RUN_SECONDS,
    BenchStage,
    Disturbance,
    Failed,
    Baseline,
    Metrics,
    Usage,
    Watch,
    placed,
    size_for,
    summary_of,
    tool_server,
    wait_quiet,
)
from harness.panels import Panel
from harness.program import Event
from harness.stage import Player

JOIN_MS = 200  # a publisher waits so long for its first subscriber ...
JOIN_EACH_MS = 6  # ... and so much longer for each more
JOIN_TRIPS = 10  # round trips of a line between hosts: connection, greetings, subscription
LATE_TIMES = 5  # so many times longer, where that was not enough, again and again ...
DELAY_MAX = 15_000  # ms: ... up to this
DROPS_OLDEST = ("nng",)  # a full queue's: so the first event that comes need not be the first
WARM_UP = 0.1  # of the round trips are not timed, where the program can be told so
PER_MILLE_MIN = 1000  # round trips without which there is no 99.9th percentile


class Late(Failed):
    """A run in which a subscriber joined after the publisher had begun."""


class Lost(Failed):
    """A run whose messages were lost, all but a few."""


@dataclass(frozen=True)
class Case:
    """What is measured: everything that a figure depends on, but the competitor."""

    bench: str  # latency, throughput, fanout, connections
    transport: str = "tcp"
    placement: str = ONE
    size: int = 64  # bytes of the body
    queue: int = 1000  # -q; 0: the library's own; -1: as many as there are messages
    rate: int = 0  # messages a second; 0: as fast as possible
    peers: int = 1  # subscribers, or idle clients

    @property
    def publishes(self) -> bool:
        return self.bench in ("throughput", "fanout")

    def __str__(self) -> str:
        words = [self.bench, self.transport, f"{self.size} B", self.placement]
        words += [f"{self.peers} peers"] if self.bench in ("fanout", "connections") else []
        words += [f"{self.rate}/s"] if self.rate else []
        words += [f"-q {self.queue}"] if self.publishes and self.queue >= 0 else []
        return " ".join(words)


@dataclass
class Outcome:
    """One run: its figures, what it used, and what disturbed it."""

    metrics: Metrics
    disturbance: Disturbance
    cpu: dict[str, float]  # seconds of CPU by side, to be compared with a shorter run's
    messages: dict[str, float]  # of each side: sent by the server of publishing, else received

    @property
    def disturbed(self) -> bool:
        return self.disturbance.score > 1


@contextlib.contextmanager
def stage_for(case: Case) -> Iterator[BenchStage]:
    placement = PLACEMENTS[case.placement]
    with placed(placement), BenchStage(placement) as stage:
        yield stage


def finish(
    stage: BenchStage,
    watch: Watch,
    sides: dict[str, tuple[list[Player], float]],
    metrics: Metrics,
    seconds: float,
) -> Outcome:
    """Adds to the figures what the processes have used; all of them have ended.

    By side: its programs, and how many messages they sent or received in that time.
    """
    disturbance = watch.end(stage.programs, seconds)
    cpu, messages = {}, {}
    for side, (programs, messages[side]) in sides.items():
        used = [Usage.of(program) for program in programs]
        cpu[side] = sum(u.cpu for u in used)
        metrics[f"{side}_voluntary"] = sum(u.voluntary for u in used)
        metrics[f"{side}_involuntary"] = sum(u.involuntary for u in used)
        memory = max((stage.memory.get(p.pid, 0) for p in programs), default=0)
        if memory:  # else it was over before it was looked at
            metrics[f"{side}_memory_kib"] = memory
    return Outcome(metrics, disturbance, cpu, messages)


def sized(panel: Panel, case: Case, server: str) -> list[str]:
    return ["-s", str(size_for(panel, case.size, server))]


def run_round_trips(panel: Panel, case: Case, count: int) -> Outcome:
    """A server, perhaps idle clients, and one client that asks so often."""
    if panel.name == "sockperf":
        return run_sockperf(case, count)
    warm_up = int(count * WARM_UP)
    with stage_for(case) as stage:
        url = stage.url(case.transport)
        watch = Watch(stage.placement)
        baseline = isinstance(panel, Baseline)
        size = sized(panel, case, "rep")
        server = stage.play(
            panel, "rep", "server", "--quiet", "-u", url, *(size if baseline else [])
        )
        stage.need_ready(server)
        idle = start_idle(stage, panel, url, case.peers) if case.bench == "connections" else []
        rate = ["-r", str(case.rate)] if case.rate else []
        client = stage.play(
            panel, "req", "client", "--quiet", "-u", url, "-n", str(count), *size, *rate,
            "--warm-up", str(warm_up),
        )  # fmt: skip
        seconds = RUN_SECONDS + (count / case.rate if case.rate else 0)
        stage.wait_ended([client], seconds)
        memory = server.figure("VmRSS")
        stage.stop([client, server, *idle])
        asked = summary_of(client)
        check_answers(panel, asked, summary_of(server), count)
        metrics = timed(asked, count - warm_up)
        metrics["count"] = asked["received"]
        if not baseline:
            metrics["answered"] = summary_of(server)["sent"]
        if memory:
            metrics["server_resident_kib"] = memory
        sides = {"client": ([client], float(count)), "server": ([server], float(count))}
        return finish(stage, watch, sides, metrics, asked["seconds"])


def check_answers(
    panel: Panel, asked: dict[str, Any], answered: dict[str, Any], count: int
) -> None:
    """All were answered, and (a baseline's server does not count) the
    server has answered as many."""
    if asked["received"] != count or not asked["latency_us"]:
        raise Failed(f"{panel.name}: {asked['received']} answers to {count} requests")
    if not isinstance(panel, Baseline) and answered["sent"] != count:
        raise Failed(f"{panel.name}: {count} answers of {answered['sent']} that were sent")


def timed(summary: dict[str, Any], count: int) -> Metrics:
    """A client's times; no percentile that so few round trips do not have."""
    metrics: Metrics = {**summary["latency_us"], "rate": summary["rate"] or 0.0}
    metrics["jitter"] = metrics["p99"] - metrics["p50"]
    if count < PER_MILLE_MIN:
        del metrics["p999"]
    return metrics


def start_idle(stage: BenchStage, panel: Panel, url: str, peers: int) -> list[Player]:
    """Clients that connect, say as much as a server must hear to believe it, and wait."""
    if peers == 0:
        return []
    protocol = "zmtp" if "zmq" in panel.name else "plain" if speaks_no_library(panel) else "sp"
    idler = Baseline("bench-idle", "tools/bench", "idle clients", "white")
    program = stage.play(idler, protocol, "idle", "-u", url, "-c", str(peers))
    stage.need_ready(program, RUN_SECONDS)
    stage.pause(0.3)  # the server takes them in
    return [program]


def speaks_no_library(panel: Panel) -> bool:
    return not any(word in panel.name for word in ("zmq", "nanomsg", "nng"))


def run_sockperf(case: Case, count: int) -> Outcome:
    """An independent ping-pong beside ours,
    for as long as ours would take at 20 us a round trip."""
    seconds = max(1, round(count * 20e-6))
    with stage_for(case) as stage:
        port = stage.port()
        watch = Watch(stage.placement)
        where = ("--tcp", "-i", "127.0.0.1", "-p", port)
        with tool_server(stage, "sockperf", "server", *where) as pinned:
            size = max(case.size + HEADER, 14)  # its own least
            told = ("--full-rtt", *where, "-m", size, "-t", seconds)
            text = run_tool(stage, *pinned, "sockperf", "ping-pong", *told)
        speed = watch.end([], seconds).probes  # its CPU time is not known as ours
        return Outcome(parse_sockperf(text), Disturbance(probes=speed), {}, {})


def run_tool(stage: BenchStage, *command: object) -> str:
    """What a tool prints."""
    text: str = stage.start(*command).text(RUN_SECONDS)
    return text


def parse_sockperf(text: str) -> Metrics:
    found = {
        key: float(value) for key, value in re.findall(r"percentile ([\d.]+) =\s*([\d.]+)", text)
    }
    if "50.000" not in found:
        raise Failed("sockperf: no percentiles in its output")
    extremes = re.findall(r"<(MIN|MAX)> observation =\s*([\d.]+)", text)
    mean = re.search(r"avg-rtt=([\d.]+)", text)
    metrics = {"p50": found["50.000"], "p90": found["90.000"], "p99": found["99.000"]}
    metrics |= {"p999": found["99.900"], **{k.lower(): float(v) for k, v in extremes}}
    if mean:
        metrics["mean"] = float(mean[1])
    metrics["jitter"] = metrics["p99"] - metrics["p50"]
    return metrics


GIVE_UP_MS = 3000  # after the last event; a subscriber that looks for its publisher is busy
delays: dict[int, int] = {}  # by number of subscribers: ms that sufficed the last time


def run_publishing(panel: Panel, case: Case, count: int) -> Outcome:
    """A publisher and its subscribers.
    If one joins too late, again, and the publisher waits longer.

    Later runs begin with what sufficed: on a busy machine they would come too late as well.
    """
    line_ms = BenchStage.hosts.reach_us / 1000 if BenchStage.hosts else 0.0
    joining = JOIN_MS + JOIN_EACH_MS * case.peers + round(JOIN_TRIPS * line_ms)
    delay = delays.get(case.peers, joining)
    while True:
        try:
            return publish(panel, case, count, delay)
        except Late:
            if delay >= DELAY_MAX:
                raise
        delay = delays[case.peers] = min(LATE_TIMES * delay, DELAY_MAX)


def publish(panel: Panel, case: Case, count: int, delay: int) -> Outcome:
    """Each subscriber counts what it gets, until all is there or nothing comes."""
    roles = ("push", "pull") if panel.name.endswith("-push") else ("pub", "sub")
    baseline = isinstance(panel, Baseline)
    shared = ["--quiet", "-q", str(queue_for(case, count))]
    size = sized(panel, case, "pub")
    late: list[str] = []
    with stage_for(case) as stage:
        url = stage.url(case.transport)
        stage.listener = lambda program, event: late.extend(late_joiner(program, event))
        watch = Watch(stage.placement)
        arguments = [*shared, "-u", url, "-n", str(count), *size, "-d", str(delay)]
        arguments += ["-r", str(case.rate)] if case.rate else []
        arguments += ["-c", str(case.peers)] if baseline else []
        publisher = stage.play(panel, roles[0], "publisher", *arguments)
        stage.need_ready(publisher)
        arguments = [*shared, "-u", url, "-n", str(count), *(size if baseline else [])]
        if not baseline:  # those that lost events end by themselves: NNG's never sit still
            arguments += ["-t", str(delay + GIVE_UP_MS)]
        subscribers = [
            stage.play(panel, roles[1], f"subscriber {i}", *arguments) for i in range(case.peers)
        ]
        stage.wait_ended([publisher], RUN_SECONDS)
        if not wait_quiet(stage, subscribers, RUN_SECONDS) and not late:
            raise Failed(f"{panel.name}: subscribers still received after {RUN_SECONDS:.0f} s")
        stage.stop([publisher, *subscribers])
        received = [summary_of(program) for program in subscribers]
        late += came_for_nothing(panel, subscribers, received)
        if late:
            raise Late(f"{panel.name}: {late[0]} came too late")
        sent = summary_of(publisher)
        if sent["sent"] != count:
            raise Failed(f"{panel.name}: {sent['sent']} sent of {count}")
        metrics = delivered(case, sent, received)
        metrics["count"] = count
        sides = {
            "client": (subscribers, metrics["received"]),
            "server": ([publisher], float(count)),
        }
        return finish(stage, watch, sides, metrics, metrics["seconds"])


def queue_for(case: Case, count: int) -> int:
    """What -q says. As long as the run: in messages, and in KiB, which is what nanomsg counts."""
    return count * (1 + (case.size + HEADER) // 1024) if case.queue < 0 else case.queue


def late_joiner(program: Player, event: Event) -> list[str]:
    """Its name, if a subscriber's first event is not the publisher's first."""
    late = event.get("event") == "first" and event.get("sequence") != 1
    return [program.name] if late and program.panel.name not in DROPS_OLDEST else []


def came_for_nothing(
    panel: Panel, programs: list[Player], received: list[dict[str, Any]]
) -> list[str]:
    """Those that got nothing at all: they came when all was over, and told no first event either.

    Who is there in time gets the first events, however many are lost later. Where the oldest are
    dropped, one of many may get none; all of them do not.
    """
    nothing = [
        program.name for program, summary in zip(programs, received) if summary["received"] == 0
    ]
    return nothing if "nng" not in panel.name or len(nothing) == len(programs) else []


def delivered(case: Case, sent: dict[str, Any], received: list[dict[str, Any]]) -> Metrics:
    """What arrived: in all a second, the share lost, and how the worst subscriber fared.

    Rates are over the time from the first message that any subscriber received to the last.
    """
    counts = [summary["received"] for summary in received]
    some = [summary for summary in received if summary["received"] > 1]
    if not some:
        raise Lost("nothing arrived" if not any(counts) else "hardly anything arrived")
    if any(count > sent["sent"] for count in counts):
        raise Failed("more arrived than was sent")
    first = min(summary["first_us"] for summary in some)
    seconds = (max(summary["last_us"] for summary in some) - first) * 1e-6
    if seconds <= 0:
        raise Lost("so few arrived that they have no rate")
    metrics: Metrics = {
        # Of one, as it says itself: n messages span n - 1 intervals.
        "rate": received[0]["rate"] if len(received) == 1 else sum(counts) / seconds,
        "worst": min(counts) / seconds,
        "lost_share": 1.0 - sum(counts) / (sent["sent"] * len(received)),
        "received": float(sum(counts)),
        "sending_rate": sent["rate"] or 0.0,
        "sending_seconds": sent["seconds"],
        "seconds": seconds,
    }
    metrics["bytes_rate"] = metrics["rate"] * (case.size + HEADER)
    latency = [summary["latency_us"] for summary in received if summary.get("latency_us")]
    if latency and case.placement != HOSTS:  # by two clocks, a time from here to there says nothing
        metrics["one_way_p50"] = max(one["p50"] for one in latency)
        metrics["one_way_p99"] = max(one["p99"] for one in latency)
    return metrics


def run_iperf3(case: Case) -> Outcome:
    """An independent sender beside ours, one second of writes of 64 KiB."""
    with stage_for(case) as stage:
        port = stage.port()
        watch = Watch(stage.placement)
        with tool_server(stage, "iperf3", "-s", "-1", "-p", port) as pinned:
            told = ("-p", port, "-l", "64K", "-t", 1, "-J")
            text = run_tool(stage, *pinned, "iperf3", "-c", "127.0.0.1", *told)
        speed = watch.end([], 1.0).probes
    match = re.search(r'"sum_received":\s*{[^}]*"bits_per_second":\s*([\d.e+]+)', text)
    if not match:
        raise Failed("iperf3: no result in its output")
    rate = float(match[1]) / 8
    metrics = {"bytes_rate": rate, "rate": rate / (case.size + HEADER), "lost_share": 0.0}
    return Outcome(metrics, Disturbance(probes=speed), {}, {})


def run_case(panel: Panel, case: Case, count: int) -> Outcome:
    """One run of whatever the case is."""
    if panel.name == "iperf3":
        return run_iperf3(case)
    return (
        run_publishing(panel, case, count)
        if case.publishes
        else run_round_trips(panel, case, count)
    )

"""P2, P3: which events a subscriber loses, and how it knows; what a publisher does meanwhile."""

import signal
import time

import pytest

from programs import Driver, Stage, Stopwatch, forget_peak, gets, memory, peak, stage_pub, summary_of, sync


@pytest.mark.says(
    "1200 events are published, 1000 a second",
    "all in order, none twice, none lost after the first",
)
def test_P2_in_order_and_at_most_once(stage: Stage) -> None:
    number = 1200  # more than a queue holds
    for _ in range(3):  # a busy machine holds up a subscriber for longer than its queue lasts
        url = stage.url()
        pub = stage.ready("pub", url, "-n", number, "-r", 1000, "-d", 500, "-s", 100, "--quiet")
        sub = stage.ready("sub", url)
        sequences = [sub.hear("message")["sequence"]]
        while sequences[-1] < number and (line := sub.heard("message", 3)):
            sequences.append(line["sequence"])
        assert sequences == sorted(set(sequences))
        all_of_them = list(range(sequences[0], number + 1))
        lost = sequences[-1] - sequences[0] + 1 - len(sequences)
        summary = summary_of(sub)
        told = [summary[name] for name in ("received", "lost", "duplicates")]
        assert told == [len(sequences), lost, 0]
        assert pub.summary()["sent"] == number
        if sequences == all_of_them:
            break
    assert sequences == all_of_them


@pytest.mark.says(
    "A subscriber is stopped for a second, so that it misses events",
    "rising sequence numbers, and the right count of those lost",
)
def test_P2_gaps_show_and_are_counted(stage: Stage) -> None:
    url = stage.url()
    pub = stage.ready("pub", url, "-n", 0, "-s", 60_000, "-q", 10, "--quiet", "-r", 3000)
    sub = stage.ready("sub", url, "-q", 10)
    sequences = [sub.hear("message")["sequence"]]
    while sequences[-1] - sequences[0] < len(sequences) + 20:  # a gap of more than 20
        if len(sequences) % 2500 == 1:  # again, if a busy machine sent less than the queues hold
            sub.signal(signal.SIGSTOP)
            time.sleep(1)
            sub.signal(signal.SIGCONT)
        sequences.append(sub.hear("message")["sequence"])
    sub.signal(signal.SIGINT)
    lines = sub.rest()
    assert sub.wait() == 0
    pub.kill()  # how it ends is P8's subject
    sequences += [line["sequence"] for line in lines if line["event"] == "message"]
    assert sequences == sorted(set(sequences))
    assert lines[-1]["lost"] == sequences[-1] - sequences[0] + 1 - len(sequences)
    assert (lines[-1]["duplicates"], lines[-1]["restarts"]) == (0, 0)


def flood(stage: Stage, pub: Driver, megabytes: int, size: int) -> None:
    """Sends so much without a pause; no send may block, memory may not follow."""
    forget_peak(pub)
    before = memory(pub)
    watch = Stopwatch(pub)
    line = pub.must(f"burst {megabytes * 1_000_000 // size} {size}", seconds=60)
    assert line["result"] == megabytes * 1_000_000 // size
    assert line["slowest_us"] < 1_000_000 + watch.late_us
    assert peak(pub) - before < 100 * 1024


@pytest.mark.says(
    "400 MB are published while the only subscriber is stopped (SIGSTOP)",
    "no pub_send takes a second, memory grows by less than 100 MiB, and later events arrive",
)
@pytest.mark.heavy
def test_P3_flood_with_a_stopped_subscriber(stage: Stage) -> None:
    pub, sub, _ = stage_pub(stage, "", timeout=1000, queue=500)
    sub.signal(signal.SIGSTOP)
    flood(stage, pub, 400, 8192)
    sub.signal(signal.SIGCONT)
    collected = sub.call("collect 1000000000", seconds=60)
    assert collected["ordered"] and 0 < collected["result"] < 400_000_000 // 8192
    sync(pub, [(sub, "")])
    gets(pub, sub, "again at once", "again at once")


@pytest.mark.says(
    "200 MB are published while the subscriber does not call sub_recv",
    "no pub_send takes a second, and memory on both sides stays bounded",
)
def test_P3_flood_with_a_subscriber_that_does_not_receive(stage: Stage) -> None:
    pub, sub, _ = stage_pub(stage, "", timeout=1000, queue=100)
    before = memory(sub)
    flood(stage, pub, 200, 8192)
    assert memory(sub) - before < 100 * 1024
    collected = sub.call("collect 1000000000", seconds=60)
    assert collected["ordered"] and 0 < collected["result"] < 200_000_000 // 8192


@pytest.mark.says(
    "One of three subscribers is stopped while 12,000 events are published",
    "the other two get all of them, and pub_send never takes 500 ms",
)
@pytest.mark.heavy
def test_P3_only_the_stopped_one_loses(stage: Stage) -> None:
    """At a rate that the others can keep up with: on a busy machine not the first."""
    url, events, size = stage.url(), 12000, 2048
    pub = stage.driver("pub", url, queue=2000)
    good = [stage.driver("sub", url, timeout=3000, queue=2000) for _ in range(2)]
    slow = stage.driver("sub", url, timeout=300, queue=2000)
    for sub in (*good, slow):
        sub.must("subscribe")
    for rate in (6000, 3000, 1500, 750):
        sync(pub, [(sub, "") for sub in (*good, slow)])
        slow.signal(signal.SIGSTOP)
        for sub in good:
            sub.begin(f"collect {events}")
        watch = Stopwatch(pub)
        line = pub.must(f"burst {events} {size} {rate}", seconds=60)
        assert line["slowest_us"] < 500_000 + watch.late_us
        pub.must("idle 20")
        lines = [sub.result() for sub in good]
        slow.signal(signal.SIGCONT)
        line = slow.call(f"collect {events}", seconds=30)
        assert line["ordered"] and line["result"] < events
        if all(line["result"] == events for line in lines):
            break
    assert all((line["result"], line["ordered"]) == (events, True) for line in lines), lines

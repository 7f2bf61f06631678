"""R4, R5, P4: the server or publisher that a client connects to starts later, or is killed and started again."""

import time

import pytest

from programs import Stage, Stopwatch, pair, stage_pub, until


@pytest.mark.says(
    "A client with a time-out of 200 ms asks where no server is",
    "ETIMEDOUT after 200 ms, each of three times",
)
def test_R4_nobody_there_yet(stage: Stage) -> None:
    req = stage.driver("req", stage.url(), timeout=200)
    for _ in range(3):
        watch = Stopwatch(req)
        line = req.ask("anybody?")
        assert line["errno"] == "ETIMEDOUT"
        assert 190_000 < line["us"] < 700_000 + watch.late_us


@pytest.mark.says(
    "A client asks 0.4 s before the server starts",
    "the answer, once the server is there",
)
def test_R4_client_first(stage: Stage) -> None:
    url = stage.url()
    req = stage.driver("req", url, timeout=5000)
    req.begin("send early")
    req.begin("recv")
    time.sleep(0.4)  # the request has been made, and connecting failed several times
    rep = stage.driver("rep", url, timeout=5000)
    assert rep.recv() == "early"
    rep.must("send in time")
    assert req.result()["result"] == 0
    assert req.result()["text"] == "in time"


@pytest.mark.says(
    "PANEL-req starts 0.4 s before PANEL-rep",
    "all three requests are answered",
)
def test_R4_program_first(stage: Stage) -> None:
    url = stage.url()
    req = stage.ready("req", url, "-n", 3, "-t", 10000, "early")
    time.sleep(0.4)
    stage.ready("rep", url)
    summary = req.summary()
    assert (req.wait(), summary["received"], summary["timeouts"]) == (0, 3, 0)


@pytest.mark.says(
    "The server is killed and restarted at its address ({case}); the same client asks 1 s later",
    "an answer",
)
@pytest.mark.parametrize("pending", [False, True], ids=["idle", "pending"])
def test_R5_server_killed_and_restarted(stage: Stage, pending: bool) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=5000)
    req = stage.driver("req", url, timeout=2000)
    for turn in range(2):
        if turn:
            rep = stage.driver("rep", url, timeout=5000)
        rep.begin("echo 1")
        # At once after a restart, so on a busy machine one may go to the server that has ended.
        until(lambda: req.asked("before"), 10.0)
        assert rep.result()["result"] == 1
        if pending:
            req.must("send pending")
            assert rep.recv() == "pending"
        rep.kill()
        server = stage.ready("rep", url, "-m", 1000)  # answers what is no message with an error
        time.sleep(1)
        line = req.ask("after")
        assert line["result"] > 0 and line["text"].startswith("\0\1\4"), line
        server.kill()


@pytest.mark.says(
    "The server is killed while its client has not called req_recv for three replies, and restarted; "
    "the client asks 1 s later",
    "an answer",
)
def test_R5_server_killed_with_replies_unread(stage: Stage) -> None:
    """What a library has read of them is no part of what the next server says."""
    rep, req, url = pair(stage)
    rep.freeze()
    for turn in range(3):
        req.must(f"send -s {99 + turn}")
    rep.thaw()
    rep.begin("echo 3")
    rep.has_line(0.5)  # a library may send the latest request alone
    rep.kill()
    rep = stage.driver("rep", url, timeout=5000)
    rep.begin("echo 1")
    time.sleep(1)
    assert req.asked("after")


@pytest.mark.says(
    "The server is killed while a client is connected, and another one starts at once",
    "it gets the port, and a new client gets an answer",
)
@pytest.mark.transports("tcp", "tcp6")
def test_R5_port_of_a_killed_server(stage: Stage) -> None:
    url = stage.url()
    for _ in range(2):
        rep = stage.driver("rep", url, timeout=5000)
        req = stage.driver("req", url, timeout=5000)
        rep.begin("echo 1")
        assert req.asked("hello")
        assert rep.result()["result"] == 1
        rep.kill()  # its end closes the connection first, which holds the port: SO_REUSEADDR


@pytest.mark.says(
    "The publisher is killed and started again",
    "the subscriber receives again within 1 s",
)
def test_P4_publisher_killed_and_restarted(stage: Stage) -> None:
    url = stage.url()
    arguments = ("-T", "weather", "-T", "sport", "-n", 0, "-r", 1000, "--quiet", "text")
    pub = stage.ready("pub", url, *arguments)
    sub = stage.ready("sub", url, "-T", "weather")
    for restart in range(2):
        while sub.hear("message")["sequence"] < 600:  # more than the next one begins with
            pass
        pub.kill()
        pub = stage.ready("pub", url, *arguments)
        watch = Stopwatch(pub, sub)
        while (line := sub.hear("message"))["us"] / 1e6 < watch.began:
            pass
        assert line["us"] / 1e6 - watch.began - watch.waited < 1.0
        assert line["topic"] == "weather"
    assert sub.stop()["restarts"] == 2


@pytest.mark.says(
    "The publisher is killed while its subscriber has not called sub_recv for what came, and started again",
    "the subscriber receives again within 1 s",
)
def test_P4_publisher_killed_with_events_unread(stage: Stage) -> None:
    """What a library has read of them is no part of what the next publisher says."""
    pub, sub, url = stage_pub(stage, "")
    for length in (33, 100, 999):
        pub.must(f"burst 100 {length}")
        pub.must("idle 20")
        pub.kill()
        pub = stage.driver("pub", url)
        sub.begin("until back")
        what = f"it receives after {length} bytes"
        until(lambda: sub.has_line(0.02) or not pub.must("send back"), 1.0, what, of=[pub, sub])
        assert sub.result()["result"] >= 0


@pytest.mark.says(
    "Three subscribers start before the publisher",
    "each receives within 1 s of its start",
)
def test_P4_subscriber_first(stage: Stage) -> None:
    url = stage.url()
    subs = [stage.driver("sub", url, timeout=10000) for _ in range(3)]
    for sub in subs:
        sub.must("subscribe a")
        sub.begin("recv")
    time.sleep(0.3)
    pub = stage.ready("pub", url, "-T", "abc", "-n", 0, "-r", 200, "--quiet")
    until(lambda: all(sub.has_line() for sub in subs), 1.0, "each receives", of=[pub, *subs])
    for sub in subs:
        assert sub.result()["text"].startswith("abc\0\1\3")
    pub.stop()

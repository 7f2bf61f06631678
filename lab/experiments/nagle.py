"""Two small writes, then wait for the answer."""

from lab.workbench import Failed, Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 30
QUESTION = (
    "A client sends two small messages, one after the other, and waits for an answer to both. "
    "How long does that take with the library's defaults, on loopback?"
)
FIND = "TCP_NODELAY delay delayed ack latency 40 ms small writes slow speed"
PREDICT = ["less than a millisecond", "about 40 milliseconds"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
TIMING = True
EXPLANATION = """
Two good ideas together make a bad one. Nagle's algorithm (1984): while something small is
unacknowledged, hold back the next small thing. Delayed acknowledgement: wait 40 ms for an answer
with which the acknowledgement could travel. The first message goes out; the second waits for the
acknowledgement; the acknowledgement waits for the answer; the answer waits for the second message.

TCP_NODELAY turns Nagle's algorithm off. ZeroMQ always sets it. nanomsg does not unless it is told
to (NN_TCP_NODELAY). NNG sets it by itself, but not through its nanomsg-compatible API, which
imitates nanomsg here too. Strict request and reply do not show the effect, because a single small
message never waits; so benchmarks miss it. The panels set the option. The experiment sends two
requests, of which the server answers only the second, and the second does not wait. (A ZeroMQ
server must answer both.)
"""
SOURCES = [
    "RFC 896 (Nagle); RFC 1122, 4.2.3.2 (delayed acknowledgement), 4.2.3.4; tcp(7), TCP_NODELAY",
    "libzmq: src/tcp.cpp, tune_tcp_socket; nn_tcp(7), NN_TCP_NODELAY",
    'NNG: src/compat/nanomsg/nn.c, nn_socket(): "Legacy sockets have nodelay disabled."',
    "lab/probes/nagle.c",
]
TRY_NEXT = "Put both messages into one write (writev, MSG_MORE): is TCP_NODELAY still needed?"
WORDS = {
    "default_us": "by default a round takes {} us",
    "nodelay_us": "with TCP_NODELAY a round takes {} us",
    "panel_us": "the panel's second request comes {} us after the first",
}
SLOW, FAST = [20_000, 400_000], [0, 15_000]
EXPECTED = {
    "raw": {"default_us": SLOW, "nodelay_us": FAST, "panel_us": FAST},
    "zmq": {"default_us": FAST},
    "nanomsg": {"default_us": SLOW, "nodelay_us": FAST, "panel_us": FAST},
    "nng": {"default_us": SLOW, "nodelay_us": FAST, "panel_us": FAST},
}
WARM, ROUNDS = 10, 11  # a new connection acknowledges at once for a while


def the_panel(workbench: Workbench) -> int:
    """How long the second of two requests takes that are asked one right after the other.

    The server answers the second alone, so its kernel delays the acknowledgement of the first.
    """
    url = workbench.url()
    server = workbench.driver("rep", url, timeout=500)
    client = workbench.driver("req", url, timeout=3000)
    us = []
    for _ in range(WARM + ROUNDS):
        server.begin("recv")
        client.must("send one")
        client.must("send two")
        server.result()
        second = server.call("recv")
        if second["result"] < 0:
            continue  # the first was given up before it was written
        us.append(second["us"])
        server.must("send answer")
        client.must("recv")
    if len(us) <= WARM:
        raise Failed("the server has not seen both requests")
    return int(sorted(us[WARM:])[(len(us) - WARM) // 2])


def run(workbench: Workbench, panel: str) -> Observation:
    data = {"default_us": workbench.probe("nagle", workbench.url()).hear()["us"]}
    workbench.say(f"by default a round takes {data['default_us']} us")
    phrase = f"{data['default_us'] / 1000:.2f} ms"
    if panel != "zmq":  # which has no such option: it is always on
        data["nodelay_us"] = workbench.probe("nagle", workbench.url(), "nodelay").hear()["us"]
        workbench.say(f"with TCP_NODELAY {data['nodelay_us']} us")
        phrase += f"; with TCP_NODELAY {data['nodelay_us'] / 1000:.2f} ms"
        data["panel_us"] = the_panel(workbench)
        workbench.say(f"the panel's second request comes {data['panel_us']} us after the first")
        phrase += f"; the panel's second request after {data['panel_us'] / 1000:.2f} ms"
    slow = data["default_us"] >= 10_000
    return Observation(data, phrase, 2 if slow else 1)

"""Two small writes, then wait for the answer."""

from lab.workbench import Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 30
QUESTION = (
    "A client sends two small messages, one after the other, and waits for an answer to both. "
    "How long does that take with the library's defaults, on loopback?"
)
FIND = "TCP_NODELAY delay delayed ack latency 40 ms small writes slow"
PREDICT = ["less than a millisecond", "about 40 milliseconds"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
TIMING = True
EXPLANATION = """
Two good ideas together make a bad one. Nagle's algorithm (1984): while something small is
unacknowledged, hold back the next small thing. Delayed acknowledgement: wait 40 ms whether an
answer comes, with which the acknowledgement could travel. The first message goes out; the second
waits for the acknowledgement; the acknowledgement waits for the answer; the answer waits for the
second message.

TCP_NODELAY turns the first idea off. ZeroMQ does so always. nanomsg does not unless told to
(NN_TCP_NODELAY), and NNG does by itself but not through its nanomsg-compatible API, which imitates
nanomsg here too. Request and reply strictly in turn do not show it: a single small message never
waits. That is how benchmarks miss it.
"""
SOURCES = [
    "RFC 896 (Nagle); RFC 1122, 4.2.3.2 (delayed acknowledgement), 4.2.3.4; tcp(7), TCP_NODELAY",
    "libzmq: src/tcp.cpp, tune_tcp_socket; nn_tcp(7), NN_TCP_NODELAY",
    'NNG: src/compat/nanomsg/nn.c, nn_socket: "legacy sockets have nodelay disabled"',
    "lab/probes/nagle.c",
]
TRY_NEXT = "Put both messages into one write (writev, MSG_MORE): is TCP_NODELAY still needed?"
SLOW, FAST = [20_000, 400_000], [5, 15_000]
EXPECTED = {
    "raw": {"default_us": SLOW, "nodelay_us": FAST},
    "zmq": {"default_us": FAST},
    "nanomsg": {"default_us": SLOW, "nodelay_us": FAST},
    "nng": {"default_us": SLOW, "nodelay_us": FAST},
}


def run(workbench: Workbench, panel: str) -> Observation:
    data = {"default_us": workbench.probe("nagle", workbench.url()).hear()["us"]}
    workbench.say(f"by default a round takes {data['default_us']} us")
    phrase = f"{data['default_us'] / 1000:.2f} ms"
    if panel != "zmq":  # which has no such option: it is always on
        data["nodelay_us"] = workbench.probe("nagle", workbench.url(), "nodelay").hear()["us"]
        workbench.say(f"with TCP_NODELAY {data['nodelay_us']} us")
        phrase += f"; with TCP_NODELAY {data['nodelay_us'] / 1000:.2f} ms"
    slow = data["default_us"] >= 10_000
    return Observation(data, phrase, 2 if slow else 1)

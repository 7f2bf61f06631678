"""Ten clients, one server, 200 ms of work each."""

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 50
QUESTION = (
    "Ten clients ask at once; each request is 200 ms of work. How long does the last client wait?"
)
FIND = "slow server many clients concurrent parallel queue worker load"
PREDICT = [
    "0.2 s: the library runs them side by side",
    "1 s: on as many cores as there are",
    "2 s: one after the other",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOSTS = True
CLIENTS, WORK_MS = 10, 200
EXPLANATION = """
A REP socket answers the request that it took before it takes the next one. So a server with one REP
socket does one thing at a time, whatever threads the library has: those move bytes, they run none
of your code. Meanwhile the other requests wait, in the library's queues or the kernel's buffers,
and nobody tells the clients.

Each library has a way out, and each way is work for you: ZeroMQ's ROUTER with worker threads behind
it, nanomsg's and NNG's raw sockets (AF_SP_RAW), NNG's contexts. On plain sockets the oldest way is
a process for each connection: fork after accept.
"""
SOURCES = [
    "zmq_socket(3), ZMQ_REP and ZMQ_ROUTER",
    "the ZeroMQ Guide, chapter 3, The Asynchronous Client/Server Pattern",
    "nn_device(3); nng_ctx(5)",
    "Stevens, UNIX Network Programming 1, chapter 30: client/server design alternatives",
]
TRY_NEXT = "Start two servers on two addresses, half of the clients at each, and compare."
WORDS = {
    "answered": "{} clients were answered",
    "last_ms": "the last client was answered {} ms after the first had asked",
    "at_once": "the server worked on {} requests at once",
}
# Ten times the work. Who asks late waits for less: on a busy machine the clients start one by one.
OF_ALL = {"answered": CLIENTS, "last_ms": [CLIENTS * WORK_MS - 100, 15_000], "at_once": 1}
EXPECTED = {"raw": OF_ALL, "zmq": OF_ALL, "nanomsg": OF_ALL, "nng": OF_ALL}


def run(workbench: Workbench, panel: str) -> Observation:
    url = workbench.url()
    server = workbench.ready("rep", url, "-w", WORK_MS)
    workbench.say(f"{CLIENTS} clients ask")
    options = ("-u", url, "-t", 20000)
    clients = [workbench.program("req", *options, f"client {i}") for i in range(CLIENTS)]
    summaries = [client.summary(25.0) for client in clients]
    waits = sorted(s["latency_us"]["max"] / 1000 for s in summaries if s["received"] == 1)
    answered = len(waits)
    server.stop()
    if answered < CLIENTS:
        told = f"{answered} of {CLIENTS} were answered"
        workbench.say(told)
        return Observation({"answered": answered}, told)
    events = [event for client in clients for event in client.events]
    said = [event for event in events if event["event"] == "message"]
    asked, came = (
        [event["us"] / 1000 for event in said if event["direction"] == direction]
        for direction in ("sent", "received")
    )
    last = max(came) - min(asked)
    data = {
        "answered": answered,
        "first_ms": round(waits[0]),
        "last_ms": round(last),
        # How many must have run at the same time, to be ready so soon.
        "at_once": max(1, round(answered * WORK_MS / last)),
    }
    told = f"the first after {data['first_ms']} ms, the last after {data['last_ms']} ms"
    workbench.say(f"{answered} answers; {told}")
    answer = 1 if last < 2 * WORK_MS else 2 if last < 0.75 * CLIENTS * WORK_MS else 3
    return Observation(
        data, f"the first waits {waits[0] / 1000:.1f} s, the last {last / 1000:.1f} s", answer
    )

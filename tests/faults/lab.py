"""Changes that must move the outcome of an experiment: at least one for each of ./triptych lab.

In a panel where the experiment examines what a panel does, in a probe where it examines a library
or the system: an option less, another default, a call less.
"""

from .fault import Fault

PROBES = "lab/probes/"


def moves(lab: str, says: str, file: str, old: str, new: str, panel: str, times: int = 1) -> Fault:
    name = f"lab-{lab.split()[0]}-{panel}"
    return Fault(name, says, file, old, new, lab=lab, panel=panel, times=times)


FAULTS = [
    moves("late-server", "a client looks for its server once a second", "zmq/reqrep.c",
          "RECONNECT_MS = 100", "RECONNECT_MS = 1000", "zmq"),
    moves("killed-server", "a client looks for its server every ten seconds", "nng/reqrep.c",
          "RECONNECT_MS = 100", "RECONNECT_MS = 10000", "nanomsg"),
    moves("late-reply", "late replies are not recognised", "zmq/reqrep.c",
          "ZMQ_REQ_CORRELATE, &on", "ZMQ_REQ_CORRELATE, &none", "zmq"),
    moves("out-of-turn", "a client may not ask twice", "zmq/reqrep.c",
          "ZMQ_REQ_RELAXED, &on", "ZMQ_REQ_RELAXED, &none", "zmq"),
    moves("one-at-a-time", "the server does not work", "programs/rep.c",
          "work(options->work_ms)", "work(0)", "zmq"),
    moves("stopped-server", "a client that leaves waits for its requests to be written", "zmq/reqrep.c",
          "ZMQ_LINGER, &none", "ZMQ_MAX_MSGSZ, &none", "zmq"),
    moves("vanished-client", "the end of a client is not noticed", "raw/conn.c",
          "        conn->ended = true;\n        update", "        update", "raw"),
    moves("exit-without-closing", "a server that ends waits for its replies", PROBES + "exit_zmq.c",
          'if (strcmp(argv[1], "term") == 0)', "if (zmq_close(socket) || 1)", "zmq"),
    moves("too-long", "nanomsg takes any length", "nng/reqrep.c",
          "max = (int)tuning->message_max + 4", "max = -1", "nanomsg"),
    moves("stolen-address", "an address is always free", PROBES + "address_raw.c",
          "return bind(fd, addr, len) < 0 ? -1 : listen(fd, 16)", "return 0", "raw"),
    moves("junk-at-the-door", "any length is taken", "zmq/reqrep.c",
          "tuning->message_max ? (int64_t)tuning->message_max : -1", "-1", "zmq"),
    moves("mute-client", "a silent client is kept for five seconds", "zmq/reqrep.c",
          "HANDSHAKE_MS = 1000", "HANDSHAKE_MS = 5000", "zmq"),
    moves("nobody-there", "a time-out has the library's name", "zmq/reqrep.c",
          "errno = ETIMEDOUT;\n        req->pending", "errno = EAGAIN;\n        req->pending", "zmq"),
    moves("slow-joiner", "a subscriber looks for its publisher once a second", "nng/pubsub.c",
          "RECONNECT_MS = 100", "RECONNECT_MS = 1000", "nng"),
    moves("slow-subscriber", "queues have the library's length", "zmq/pubsub.c",
          "if (queue > 0 &&", "if (false &&", "zmq", times=2),
    moves("burst", "the publisher's queue has no limit", "zmq/pubsub.c",
          "    int queue = tuning->queue;\n    int64_t max", "    int queue = 1 << 20;\n    int64_t max", "zmq"),
    moves("where-filtered", "every prefix is empty", "zmq/pubsub.c",
          "ZMQ_SUBSCRIBE, prefix, sent_len(len)", "ZMQ_SUBSCRIBE, prefix, 0", "zmq"),
    moves("prefix-surprise", "an unsubscription is forgotten", "nng/pubsub.c",
          "if (!old)", "if (old)", "nanomsg"),
    moves("publisher-restart", "a subscriber looks for its publisher once a second", "zmq/pubsub.c",
          "RECONNECT_MS = 100", "RECONNECT_MS = 1000", "zmq"),
    moves("close-queued", "a publisher's close waits for nothing", "zmq/pubsub.c",
          "while (pub->ctx && zmq_ctx_term(pub->ctx) < 0 && errno == EINTR)", "while (false)", "zmq"),
    moves("tcp-has-no-messages", "the naive reader asks for a whole message", PROBES + "naive_reader.c",
          "read(fd, buffer, sizeof(buffer))", "recv(fd, buffer, 40, MSG_WAITALL)", "raw"),
    moves("second-write", "a send to nobody raises no signal", PROBES + "two_ends.h",
          "wait ? 0 : MSG_DONTWAIT", "MSG_NOSIGNAL", "raw"),
    moves("nagle", "small messages wait for one another", "nng/reqrep.c",
          "int on = 1;", "int on = 0;", "nng"),
    moves("cable-cut", "heartbeats come every half minute", PROBES + "heartbeat.c",
          "BEAT_MS = 300", "BEAT_MS = 30000", "zmq"),
    moves("signal-arrives", "a signal is taken for a time-out", "nng/pubsub.c",
          "if (ready == 0)", "if (ready <= 0)", "nng"),
    moves("fork", "the child sends at once", PROBES + "fork.c",
          "pair_put(text, 0);\n    usleep(FLUSH_US)", "SIZE;\n    usleep(FLUSH_US)", "zmq"),
    moves("threads", "ZeroMQ has one more I/O thread", "zmq/reqrep.c",
          "req->socket = zmq_socket(",
          "zmq_ctx_set(req->ctx, ZMQ_IO_THREADS, 2);\n    req->socket = zmq_socket(", "zmq"),
    moves("host-names", "IPv6 is on", PROBES + "names.c",
          'int ipv6 = strcmp(how, "ipv6") == 0', "int ipv6 = how != NULL", "zmq"),
    moves("halted-core", "a receive blocks at once", PROBES + "halted_core.c",
          "SPIN_NS = 50 * 1000", "SPIN_NS = 0", "raw"),
    moves("poll-or-epoll", "epoll is handed the whole list as well", PROBES + "idle_connections.c",
          "measure(list, count, fds[1], epoll_fd)", "measure(list, count, fds[1], -1)", "raw"),
    moves("backlog", "one more may wait", PROBES + "lecture.h",
          "listen(fd, backlog)", "listen(fd, backlog + 1)", "raw"),
    moves("path-that-stays", "the path goes with its server", PROBES + "path_stays.c",
          "_exit(listen_at(&place, where, 1) < 0)", "_exit(listen_at(&place, where, 1) < 0 || unlink(where))",
          "raw"),
    moves("datagrams", "a datagram is only looked at", PROBES + "datagrams.c",
          "MSG_DONTWAIT | flags", "MSG_DONTWAIT | MSG_PEEK | flags", "raw"),
    moves("flags", "no byte is urgent", PROBES + "flags.c", "MSG_OOB)", "0)", "raw", times=2),
    moves("listening-descriptor", "the listening descriptor is the accepted one", PROBES + "listening.c",
          "int peer = accept(server, NULL, NULL)", "int peer = server", "raw"),
    moves("half-closed", "both directions are closed", PROBES + "half_closed.c",
          'say("shutdown", shutdown(ends[0], SHUT_WR))',
          'say("shutdown", shutdown(ends[0], SHUT_RDWR))', "raw"),
]

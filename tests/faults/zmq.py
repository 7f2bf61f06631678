"""Faults in zmq/."""

from .fault import Fault

FAULTS = [
    Fault("zmq-replies-kept", "a thousand replies are kept for a client that never reads",
          "zmq/reqrep.c", "REPLIES_MAX = 32", "REPLIES_MAX = 1000",
          "", "test_R6_memory_for_a_client_that_never_reads", panel="zmq"),
    Fault("zmq-uncorrelated", "a late reply is taken for the reply to the latest request",
          "zmq/reqrep.c", "ZMQ_REQ_CORRELATE", "ZMQ_REQ_RELAXED",
          "", "test_R2_late_reply_after_the_next_request", panel="zmq"),
    Fault("zmq-strict", "no request may follow one without an answer", "zmq/reqrep.c",
          "ZMQ_REQ_RELAXED", "ZMQ_REQ_CORRELATE",
          "", "test_R3_server_is_silent_and_then_speaks", panel="zmq"),
    Fault("zmq-path-left", "the path stays when the server ends", "zmq/reqrep.c",
          "ipc_path_remove(&rep->path);", ";",
          "", "test_R10_signal", panel="zmq"),
    Fault("zmq-no-limit", "a server takes a request of any length", "zmq/reqrep.c",
          "(int64_t)tuning->message_max : -1", "-1 : -1",
          "", "test_R8_request_too_long_for_the_server", panel="zmq"),
    Fault("zmq-subscriptions-lost", "more than the high-water mark of subscriptions are lost",
          "zmq/pubsub.c", "int none = 0", "int none = 1",
          "", "test_P1_prefixes_are_bytes test_P1_exactly_the_matching", panel="zmq"),
]

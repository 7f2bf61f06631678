"""Faults in nng/, as nanomsg or as nng."""

from .fault import Fault

FAULTS = [
    Fault("nng-empty-freed-early", "an empty request's header is taken for an address",
          "nng/reqrep.c", "(char *)*message + sizeof(void *)", "*message",
          "", "test_R7_request_without_a_body", panel="nng"),
    Fault("nanomsg-pub-receives", "a subscriber's message gets to the assertion of nanomsg",
          "nng/pubsub.c", "RECEIVE_MAX = 0", "RECEIVE_MAX = 1000000",
          "", "test_P7_message_from_a_subscriber", panel="nanomsg"),
    Fault("nng-req-unlimited", "a client receives whatever its server claims", "nng/reqrep.c",
          "max = (int)tuning->message_max + EXCESS", "max = -1",
          "", "test_R8_P7_claim_of_a_server", panel="nng"),
    Fault("nng-sub-unlimited", "a subscriber receives whatever is claimed", "nng/pubsub.c",
          "max = (int)tuning->message_max + EXCESS", "max = -1",
          "", "test_R8_P7_claim_of_a_server", panel="nng"),
    Fault("nng-blocks", "the server waits for a client that does not read", "nng/reqrep.c",
          "REPLY_MS = 50", "REPLY_MS = 2000",
          "", "test_R6_rep_send_never_blocks test_R6_while_ten_clients_never_read", panel="nng"),
    Fault("nanomsg-forgets-prefixes", "a prefix cannot be unsubscribed", "nng/pubsub.c",
          "sub->prefixes = new", "free(new)",
          "", "test_P1_unsubscribe", panel="nanomsg"),
    Fault("nng-slow-reconnection", "a connection is made again after 10 s", "nng/reqrep.c",
          "RECONNECT_MS = 100", "RECONNECT_MS = 10000",
          "", "test_R5_server_killed_and_restarted", panel="nng"),
    Fault("nng-too-long-taken", "a request that is too long is handed on", "nng/reqrep.c",
          "(size_t)len > rep->message_max", "false",
          "", "test_R8_request_too_long_for_the_server", panel="nng"),
]

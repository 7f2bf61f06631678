"""The faults that tests/mutate plants in raw, one at a time: a text of a file, and what replaces it."""

from dataclasses import dataclass


@dataclass
class Fault:
    name: str
    says: str  # what is wrong then
    file: str
    old: str  # stands in the file exactly once, or `times`
    new: str
    units: str = ""  # the units that may notice, by name
    tests: str = ""  # the tests of the contract that may notice, by name
    times: int = 1


CLAIM = """    if (n == 0 && len >= 4) {
        const unsigned char *p = in->data + in->start;
        size_t all = ((size_t)p[0] << 24 | (size_t)p[1] << 16 | p[2] << 8 | p[3]) + 4;
        if (all > in->size && buffer_resize(in, all) == 0)
            memset(in->data + in->end, 0, all - in->end);
    }
    if (n < 0 && errno == EMSGSIZE)"""

FAULTS = [
    Fault("short-write", "what the kernel did not take of a frame is dropped", "raw/conn.c",
          "return conn_keep(conn, iov, 2, (size_t)sent);", "return 0;",
          "conn_write", "test_R1_body_of_16_MiB"),
    Fault("stale-reply", "a late reply is taken for the reply to the latest request",
          "raw/reqrep.c", "if (frame.id != req->id)", "if (false)",
          "", "test_R2_late_reply_after_the_next_request test_R2_late_reply_before_the_next_request"),
    Fault("wrong-client", "a reply goes to the client that came last", "raw/reqrep.c",
          "struct conn *conn = &rep->current->conn;\n    rep->asked",
          "struct conn *conn = &LIST_FIRST(&rep->server.peers)->conn;\n    rep->asked",
          "", "test_R6_ten_busy_clients"),
    Fault("unfair", "a client that asks again goes before those that wait", "raw/reqrep.c",
          "        (void)loop_turn(&rep->server.loop, LOOP_NOW);\n    } else", "    } else",
          "", "test_raw_answers_others_while_a_client_asks_without_end"),
    Fault("lost-after-signal", "a request is given up when a signal comes", "raw/reqrep.c",
          "req->asked = errno == EINTR;", "req->asked = false;",
          "", "test_R10_a_signal_ends_a_blocking_call"),
    Fault("eintr-ignored", "a wait goes on after a signal", "raw/loop.c",
          "    if (n < 0)\n        return -1;\n    loop->count",
          "    if (n < 0)\n        return 0;\n    loop->count",
          "loop", "test_R10_a_signal_ends_a_blocking_call test_P8_a_signal_ends_a_blocking_call"),
    Fault("dead-server-unnoticed", "a request is written to a connection that has ended",
          "raw/reqrep.c", "if (dialer->conn.hangup)", "if (false)",
          "", "test_R5_server_killed_and_restarted"),
    Fault("slow-reconnection", "the first attempt comes 3 s after a connection breaks",
          "raw/dialer.c", "WAIT_MIN_MS = 10,", "WAIT_MIN_MS = 3000,",
          "", "test_P4_publisher_killed_and_restarted test_P4_subscriber_first test_R5_server_killed_and_restarted"),
    Fault("no-resubscription", "a new connection is not told the prefixes", "raw/pubsub.c",
          "for (p = sub->prefixes.first; p; p = p->next)", "for (p = NULL; p; p = p->next)",
          "", "test_P4_publisher_killed_and_restarted test_P4_subscriber_first"),
    Fault("unsubscription-ignored", "the publisher goes on sending", "raw/subscriber.c",
          "(void)prefixes_remove(prefixes, frame.data + 1, frame.len - 1);", ";",
          "", "test_P1_unsubscribe"),
    Fault("prefix-one-short", "a prefix's last byte is not compared", "raw/prefixes.c",
          "memcmp(p->bytes, data, p->len) == 0",
          "memcmp(p->bytes, data, p->len - (p->len > 0)) == 0",
          "prefixes", "test_P1_exactly_the_matching"),
    Fault("prefix-past-the-end", "a message shorter than a prefix is compared beyond its end",
          "raw/prefixes.c", "found = p->len <= len && ", "found = p->len <= len + 1 && ",
          "prefixes", ""),
    Fault("all-for-ever", "who has once wanted everything gets it for ever", "raw/prefixes.c",
          "    prefixes->all = prefixes->all && len > 0;\n", "",
          "prefixes", "test_P1_unsubscribe"),
    Fault("heads-left-in-bodies", "a made body keeps the heads that were written before others",
          "programs/bodies.c", "if (at < bodies->at)", "if (false)",
          "bodies", ""),
    Fault("queue-unbounded", "the log keeps all that somebody needs", "raw/log.c",
          "if (count >= log->queue)", "if (false)",
          "log log_model", ""),
    Fault("cursor-does-not-jump", "an overtaken subscriber reads what the log has overwritten",
          "raw/log.c", "uint64_t n = *cursor < log->first ? log->first : *cursor;",
          "uint64_t n = *cursor;",
          "log log_model", "", times=2),
    Fault("frame-straddles", "the ring's last bytes are taken for more than they are", "raw/log.c",
          "if (len <= log->size - log->head)", "if (len <= log->size - log->head + 4)",
          "log log_model", ""),
    Fault("half-sent-event-lost", "the rest of an event half sent is dropped", "raw/subscriber.c",
          "if (conn_keep(conn, &rest, 1, 0) < 0)", "if (rest.iov_len == 0)",
          "", "test_P3_flood_with_a_stopped_subscriber test_P2_gaps_show_and_are_counted"),
    Fault("half-frame-to-the-next", "half a frame is sent again on another connection",
          "raw/conn.c", "        conn->out.start = conn->begun;\n    conn->begun = conn->out.start;",
          "        conn->begun = conn->out.start;",
          "conn_write", ""),
    Fault("never-flushed", "readiness to send is not waited for", "raw/conn.c",
          "events |= EPOLLOUT;", ";",
          "conn_write", "test_R1_body_of_16_MiB"),
    Fault("sigpipe", "writing to a peer that has gone kills the process", "raw/conn.c",
          "MSG_NOSIGNAL", "0",
          "conn_write", ""),
    Fault("claimed-is-allocated", "memory grows with the length that a peer claims", "raw/conn.c",
          "    if (n < 0 && errno == EMSGSIZE)", CLAIM,
          "conn_read", "test_P7_memory_as_claimed test_R7_memory_as_claimed"),
    Fault("too-long-not-skipped", "the bytes of a frame too long are read as frames", "raw/conn.c",
          "conn->skip = ret->len", "conn->skip = 0 * ret->len",
          "conn_read", "test_P7_event_too_long_for_a_subscriber"),
    Fault("limit-one-short", "a message of just message_max is refused", "raw/frame.c",
          "if (claimed - id_len > framing->max)", "if (claimed - id_len >= framing->max)",
          "frame conn_read", "test_R1_message_max_itself_and_not_a_byte_more"),
    Fault("spinning-listener", "without descriptors, accept is tried without end", "raw/listener.c",
          "loop_change(listener->loop, &listener->source, 0);", "(void)resume;",
          "listener", ""),
    Fault("descriptor-kept", "the descriptor of a client that left stays open", "raw/conn.c",
          "(void)close(conn->source.fd); /* whatever", "/* whatever",
          "", "test_R7_descriptors_of_clients_that_left"),
    Fault("called-though-removed", "a connection closed meanwhile is called", "raw/loop.c",
          "loop->events[i].data.ptr = NULL;", ";",
          "loop", ""),
    Fault("stale-path-kept", "a killed server's path prevents the next one", "raw/endpoint.c",
          "if (!is_stale(address)) {", "if (true) {",
          "", "test_R10_stale_path test_P8_stale_path"),
    Fault("path-left-behind", "the path stays when the server ends", "raw/listener.c",
          "endpoint_unlink(&listener->address);", ";",
          "", "test_R10_signal test_P8_signal"),
    Fault("close-does-not-wait", "what was published last is not written before the close",
          "raw/pubsub.c", "    int64_t deadline = clock_deadline(CLOSE_MS);",
          "    pub->log.end = pub->log.first;\n    int64_t deadline = clock_deadline(CLOSE_MS);",
          "", "test_P6_last_one_right_before_close"),
    Fault("reset-at-close", "a close with bytes unread resets what is on its way", "raw/server.c",
          "conn_drain(&peer->conn);", ";",
          "", "test_raw_closes_gently_with_requests_unread"),
    Fault("zero-unchecked", "a message whose zero field is not is accepted", "common/message.c",
          " || zero != 0 ||", " ||",
          "message", "test_malformed_request_is_answered_with_an_error"),
    Fault("rank-one-off", "a quantile is the next larger value", "programs/latency.c",
          "if (seen >= rank)", "if (seen > rank)",
          "latency", ""),
]

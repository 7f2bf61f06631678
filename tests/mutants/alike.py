"""Mechanical faults that change nothing observable, each with its reason.

The key is what stays when lines move: the file, the function, the line as it is and as the fault
makes it. The compiler finds some more by itself: those for which it makes the same code.
"""

ALIKE: dict[tuple[str, str, str, str], str] = {
    (
        "common/clock.c", "clock_left_ms",
        "if (left <= 0)",
        "if (left < 0)",
    ): "0 ns, rounded up, are 0 ms.",
    (
        "common/clock_system.c", "clock_sleep",
        "if (clock_now() >= until_ns)",
        "if (clock_now() > until_ns)",
    ): "At that very nanosecond the sleep would end at once.",
    (
        "common/ipc_path.c", "ipc_path_take",
        "if (taken.fd < 0)",
        "if (taken.fd <= 0)",
    ): "Descriptor 0 is standard input: process_open() keeps it open.",
    (
        "common/ipc_path.c", "ipc_path_release",
        "errno = errnum;",
        ";",
    ): "Of its two callers one restores errno as well, and the other calls bind(2) next.",
    (
        "common/ipc_path.c", "ipc_path_remove",
        "if (!stands_at(path, aside) || unlink(aside) < 0)",
        "if (!stands_at(path, aside) || unlink(aside) <= 0)",
    ): "What is gone cannot be moved back, and that it fails does not matter.",
    (
        "common/message.c", "message_encode",
        "if (head < 0)",
        "if (head <= 0)",
    ): "A head is never empty.",
    (
        "common/sockaddr.c", "parse_path",
        "memcpy(ret->un.sun_path, path, len + 1);",
        "memcpy(ret->un.sun_path, path, len + 0);",
    ): "The address is all zeros before.",
    (
        "nng/pubsub.c", "sub_recv",
        '*data = len > 0 ? sub->event : "";',
        '*data = len >= 0 ? sub->event : "";',
    ): "NNG's empty event would be at NULL, of which nobody reads a byte.",
    (
        "nng/reqrep.c", "req_recv",
        "if (len < 0 && errno == EAGAIN && clock_now() > deadline)",
        "if (len < 0 && errno == EAGAIN && clock_now() >= deadline)",
    ): "At that very nanosecond the next wait would end at once.",
    (
        "nng/reqrep.c", "req_recv",
        '*data = len > 0 ? req->reply : "";',
        '*data = len >= 0 ? req->reply : "";',
    ): "NNG's empty reply would be at NULL, of which nobody reads a byte.",
    (
        "nng/reqrep.c", "rep_recv",
        '*data = len > 0 ? rep->request : "";',
        '*data = len >= 0 ? rep->request : "";',
    ): "NNG's empty request would be at NULL, of which nobody reads a byte.",
    (
        "programs/latency.c", "latency_quantile",
        "for (; bucket < LATENCY_BUCKETS - 1; bucket++) {",
        "for (; bucket < LATENCY_BUCKETS - 0; bucket++) {",
    ): "The last bucket is always reached by the sum, since all counts together are the number.",
    (
        "programs/pub.c", "await_input",
        "if (ready > 0 || (ready < 0 && errno != EINTR))",
        "if (ready > 0 || (ready < 0 && errno != EDOM))",
    ): "select() with a time-out of 0 does not wait, so no signal interrupts it.",
    (
        "programs/pub.c", "await_input",
        "return ready > 0 ? 0 : -1;",
        "return ready >= 0 ? 0 : -1;",
    ): "With 0, nothing to read, it does not come here.",
    (
        "programs/rep.c", "send_reply",
        "if (len > buffer_size) {",
        "if (len >= buffer_size) {",
    ): "A buffer would be allocated again with the length that it has.",
    (
        "programs/req.c", "await_reply",
        "(timeout_ms < 0 ||",
        "(timeout_ms <= 0 ||",
    ): "The command line refuses -t 0.",
    (
        "programs/req.c", "await_reply",
        "if (len < 0 && errno == EINTR && !stop_requested())",
        "if (len <= 0 && errno == EINTR && !stop_requested())",
    ): "After a success, nobody looks at the errno.",
    (
        "raw/conn.c", "buffer_compact",
        "if (len > 0)",
        "if (len >= 0)",
    ): "Nothing would be moved.",
    (
        "raw/conn.c", "conn_drain",
        "for (int i = 0; i < DRAIN_MAX; i++) { /* R11 */",
        "for (int i = 0; i <= DRAIN_MAX; i++) { /* R11 */",
    ): "How much is read of what is discarded is no promise.",
    (
        "raw/conn.c", "conn_shrink",
        "} else if (in->size > SHRINK_MIN && len < in->size / SHRINK_PART) {",
        "} else if (in->size >= SHRINK_MIN && len < in->size / SHRINK_PART) {",
    ): "A buffer of SHRINK_MIN bytes would be made one of SHRINK_MIN bytes.",
    (
        "raw/endpoint.c", "is_stale",
        "if (fd < 0)",
        "if (fd <= 0)",
    ): "Descriptor 0 is standard input: process_open() keeps it open.",
    (
        "raw/loop.c", "loop_turn",
        "if (now >= deadline) { /* R3 */",
        "if (now > deadline) { /* R3 */",
    ): "At that very nanosecond there is one more turn, which does not wait.",
    (
        "raw/loop.c", "loop_turn",
        "if (loop->timer_at != CLOCK_NEVER && clock_now() >= loop->timer_at) {",
        "if (loop->timer_at != CLOCK_NEVER && clock_now() > loop->timer_at) {",
    ): "At that very nanosecond the next turn finds the timer due.",
    (
        "raw/pubsub.c", "pub_idle",
        "for (int i = 0; i < IDLE_TURNS && run_turn(pub, LOOP_NOW) == 0; i++)",
        "for (int i = 0; i <= IDLE_TURNS && run_turn(pub, LOOP_NOW) == 0; i++)",
    ): "How many turns one call makes at most is no promise; one more does no harm.",
    (
        "raw/pubsub.c", "pub_send",
        "if (pub->batched >= BATCH || pub->log.end - pub->flushed >= pub->log.queue)",
        "if (pub->batched > BATCH || pub->log.end - pub->flushed >= pub->log.queue)",
    ): "A batch may be one event longer: its length is no promise.",
    (
        "tools/wire/decode/decode_main.c", "decode_recording",
        "bool cut = got < 0 && errno == ENODATA;",
        "bool cut = got <= 0 && errno == ENODATA;",
    ): "ENODATA is set only where got is made -1.",
    (
        "zmq/pubsub.c", "sent_len",
        "return len > PREFIX_SHORT && len < PREFIX_LONG ? PREFIX_SHORT : len;",
        "return len > PREFIX_SHORT && len <= PREFIX_LONG ? PREFIX_SHORT : len;",
    ): "Of a prefix of 256 bytes a part would be sent, too; is_wanted() drops what does not fit the rest.",
    (
        "zmq/pubsub.c", "sub_open",
        "zmq_setsockopt( sub->socket, ZMQ_RECONNECT_IVL, &reconnect, sizeof(int)) < 0 ||",
        "0 < 0 ||",
    ): "100 ms is libzmq's default, too: zmq_setsockopt(3).",
    (
        "zmq/reqrep.c", "req_open",
        "zmq_setsockopt( req->socket, ZMQ_RECONNECT_IVL, &reconnect, sizeof(int)) < 0 ||",
        "0 < 0 ||",
    ): "100 ms is libzmq's default, too: zmq_setsockopt(3).",
}

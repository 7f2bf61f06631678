"""Faults in the tap, the recorder and the decoder."""

from .fault import Fault

FAULTS = [
    Fault("sp-length", "the decoder takes SP's length for one byte less",
          "tools/wire/decode/decode_sp.c", "left = len;", "left = len - 1;",
          "decode", "", panel=""),
    Fault("zmtp-long-form", "the decoder does not know ZMTP's long frames",
          "tools/wire/decode/decode_zmtp.c", "longer = decode->zmtp.flags & FLAG_LONG",
          "longer = false",
          "", "test_every_byte_once_and_known", panel=""),
    Fault("raw-id-unread", "the decoder takes raw's request id for a part of the message",
          "tools/wire/decode/decode_raw.c", "ID = 4", "ID = 2",
          "", "test_raw", panel=""),
    Fault("record-without-time", "a recording does not say when a byte passed",
          "tools/wire/record/record_writer.c", "record->time_ns", "0",
          "record", "", panel=""),
    Fault("tap-rate-forgotten", "a slow link is as fast as any", "tools/wire/tap/tap_fault.c",
          "pace->paid_ns += ", "(void)",
          "", "test_rate_is_smooth_and_exact", panel=""),
    Fault("tap-cut-early", "a connection is cut although bytes are still to pass",
          "tools/wire/tap/tap_fault.c", "passed + order->value", "order->value / 2",
          "", "test_cut_after_bytes", panel=""),
]

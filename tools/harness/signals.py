"""Signals that end a verb: they become an exception, so that everything is tidied up."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class uninterrupted:
    """A block that Ctrl-C, SIGTERM and SIGHUP do not interrupt: they take effect at its end.

    The signals are not masked, because a child would inherit the mask. They interrupt the main
    thread alone, so that in another thread the block does nothing.
    """

    depth = 0
    pending = False

    def __enter__(self) -> None:
        self.counts = threading.current_thread() is threading.main_thread()
        uninterrupted.depth += self.counts

    def __exit__(self, *_: object) -> None:
        uninterrupted.depth -= self.counts
        if self.counts and uninterrupted.pending and not uninterrupted.depth:
            uninterrupted.pending = False
            raise KeyboardInterrupt


def end_on_signals() -> None:
    """Makes SIGTERM and SIGHUP end this program as Ctrl-C does, by a KeyboardInterrupt."""

    def end(number: int, frame: FrameType | None) -> None:
        if uninterrupted.depth:
            uninterrupted.pending = True
        else:
            raise KeyboardInterrupt

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would take our children's ends away
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, end)

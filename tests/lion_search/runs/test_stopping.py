"""A run may be driven from any thread; signals are the main thread's."""

from __future__ import annotations

import signal
import threading

from lion_search.runs.stopping import stopping_signals


def test_in_another_thread_nobody_asks_to_stop() -> None:
    """As in a notebook that runs a cell's work in the background."""
    before, asked = signal.getsignal(signal.SIGINT), []

    def drive() -> None:
        with stopping_signals(lambda line: None) as was_stopped:
            asked.append(was_stopped())

    thread = threading.Thread(target=drive)
    thread.start()
    thread.join()
    assert asked == [False]
    assert signal.getsignal(signal.SIGINT) is before

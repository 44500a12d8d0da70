"""How a person stops a run: the first signal asks it to end in order, a second one ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lion_search.search.progress import Progress


class RunInterruptedError(Exception):
    """The user stopped the run; everything evaluated is in the log."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.progress = progress


class WorkInterruptedError(Exception):
    """The user stopped what a command did; the message says what is kept and how to go on."""


@contextmanager
def stopping_signals(report: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Turns the first SIGINT or SIGTERM into a request to stop; a second one acts as usual.

    Only the main thread receives signals; in another one nobody asks.

    Yields:
        Whether the user has asked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []

    def on_signal(previous: Any, number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, previous)
        report("Stopping: waiting for what is being evaluated ...")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, partial(on_signal, before[number]))
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

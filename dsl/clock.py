"""Clocks of limits: one stands still while the machine sleeps, the other while others have the processor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache

_BEAT_SECONDS = 0.5
_LONGEST_SECONDS = 3.0
"""A beat that is later than this comes after a closed lid, Ctrl-Z or the like, not from a busy machine."""


def awake_seconds() -> float:
    """Seconds in which this process could run, from an arbitrary moment on: for limits that people set."""
    return _heart().seconds()


def working_seconds() -> float:
    """Seconds for which this thread had a processor: for limits on which it depends what is found."""
    return time.thread_time()


class AwakeClock:
    """A monotonic clock without the gaps between two looks at it that are too long; it needs many looks."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen = now()
        self._lost = 0.0
        self._lock = threading.Lock()

    def seconds(self) -> float:
        """The time by this clock."""
        with self._lock:
            now = self._now()
            gap = now - self._seen
            if gap > _LONGEST_SECONDS:
                self._lost += gap - _BEAT_SECONDS
            self._seen = now
            return now - self._lost


@cache
def _heart() -> AwakeClock:
    """This process's clock, with a thread that looks at it."""
    clock = AwakeClock()
    threading.Thread(target=_beat, args=(clock,), daemon=True).start()
    return clock


def _beat(clock: AwakeClock) -> None:
    while True:
        time.sleep(_BEAT_SECONDS)
        clock.seconds()

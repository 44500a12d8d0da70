"""Ctrl-C while a run is looked at again and again: it ends the looking, and nothing else."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Look = TypeVar("Look")


def until_interrupted(looks: Iterable[Look]) -> Iterator[Look]:
    """Looks until Ctrl-C, also one that came while a destructor ran, where Python drops what is raised."""
    received: list[int] = []

    def on_signal(number: int, frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, on_signal) if is_main else None
    try:
        for look in looks:
            if received:
                raise KeyboardInterrupt
            yield look
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)

"""Whom a run tells what it does: in lines, and while it searches by snapshots of its progress.

A run does not know who listens. The commands give it a terminal, tests a list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from lion_search.search.progress import Progress

Report = Callable[[str], None]
"""Is told, in a line, what happens."""


class Display(Protocol):
    """A context in which the progress of a search is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, progress: Progress) -> None:
        """Shows a snapshot."""
        ...


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told.

    Attributes:
        report: is told, in a line, what happens next.
        display: makes the display of the search.
    """

    report: Report
    display: Callable[[], Display]

"""Whom a run tells what it does: in lines, and while it searches by snapshots of its progress.

A run does not know who listens. The commands give it a terminal, tests a list.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from lion_search.search.progress import Progress

Report = Callable[[str], None]
"""Is told, in a line, what happens."""


Display = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]
"""Given a run's name, a context in which the progress of its search is shown by calling what is entered."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told.

    Attributes:
        report: is told, in a line, what happens next.
        display: shows the search.
    """

    report: Report
    display: Display

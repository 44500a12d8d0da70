"""A run under way: what its stages share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import PHASE_FACT
from lion_search.results.store import Store
from lion_search.runs.audience import Audience
from lion_search.runs.events import Events
from lion_search.runs.plan import Plan
from lion_search.runs.stopping import RunInterruptedError
from lion_search.search.progress import Progress


@dataclass(frozen=True, slots=True)
class Session:
    """A run under way: its plan, folder, log, workers, and whom it tells.

    Attributes:
        was_stopped: whether the user asked to stop.
    """

    plan: Plan
    folder: Path
    store: Store
    pool: Pool
    audience: Audience
    events: Events
    was_stopped: Callable[[], bool]

    def enter(self, phase: str, line: str = "") -> None:
        """Records that a phase begins, and says so if there is a line."""
        self.store.append((), (), {PHASE_FACT: phase})
        self.events.write("phase", phase=phase)
        if line:
            self.audience.report(line)

    def stop_if_asked(self, progress: Progress) -> None:
        """Ends the run in order if the user asked for it.

        Raises:
            RunInterruptedError: the user did.
        """
        if self.was_stopped():
            raise RunInterruptedError(self.folder, progress)

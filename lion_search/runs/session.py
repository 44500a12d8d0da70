"""A run under way: what its stages share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lion_search.proxy_tasks.workers.pool import Finished, Pool
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

    def ending_at_once(self, progress: Progress) -> Session:
        """The same for the stages after a search: it ends in the middle of one if the user asks for it.

        Only trainings under way are lost, or the simplification that is; they are done again later.
        """
        return replace(self, pool=_PoolOfStage(self.pool, lambda: self.stop_if_asked(progress)))


@dataclass(frozen=True, slots=True)
class _PoolOfStage:
    """A pool that asks before it waits whether the run is to end."""

    pool: Pool
    stop_if_asked: Callable[[], None]

    @property
    def in_flight(self) -> int:
        return self.pool.in_flight

    @property
    def room(self) -> int:
        return self.pool.room

    def submit(self, job_id: int, payload: Any) -> None:
        self.pool.submit(job_id, payload)

    def wait(self, timeout_seconds: float) -> list[Finished]:
        self.stop_if_asked()
        return self.pool.wait(timeout_seconds)

    def close(self) -> None:
        self.pool.close()

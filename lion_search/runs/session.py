"""What a run is made of, and a run under way: what its stages share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lion_search.config import Config
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import Baseline, Record
from lion_search.proxy_tasks.scores import Score
from lion_search.proxy_tasks.tasks import find_task
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import PHASE_FACT, Stage
from lion_search.results.store import Store
from lion_search.runs.display import Display
from lion_search.runs.facts import run_facts
from lion_search.runs.folder import Events
from lion_search.search.progress import Progress

if TYPE_CHECKING:
    from lion_search.proxy_tasks.training.prepare import FlatProblem

Report = Callable[[str], None]


class RunInterruptedError(Exception):
    """The user stopped the run; everything evaluated is in the log."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.progress = progress


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of, checked and found before anything is written or started.

    Attributes:
        config: the whole configuration.
        initial: the program everything begins with.
        problems: of the tasks, the cheapest first.
        records: the tasks' baselines.
        earlier: scores of earlier runs.
        reused: how many individuals of each earlier run.
    """

    config: Config
    initial: Program
    problems: Mapping[str, FlatProblem]
    records: Mapping[str, Record]
    earlier: Mapping[str, tuple[Score, ...]]
    reused: Mapping[str, int]

    @property
    def adamw(self) -> dict[str, Baseline]:
        """Tuned AdamW for each task."""
        return {task: record.baselines["adamw"] for task, record in self.records.items()}

    def facts(self) -> dict[str, Any]:
        """What is recorded of it."""
        return run_facts(self.config, self.initial, self.problems, self.records, self.reused)


@dataclass(frozen=True, slots=True)
class Session:
    """A run under way: its folder, log, workers, and whom it tells.

    Attributes:
        was_stopped: whether the user asked to stop.
    """

    plan: Plan
    folder: Path
    store: Store
    pool: Pool
    display: Callable[[], Display]
    report: Report
    events: Events
    was_stopped: Callable[[], bool]

    def enter(self, phase: str, line: str) -> None:
        """Says and records that a phase begins."""
        self.store.append((), (), {PHASE_FACT: phase})
        self.events.write("phase", phase=phase)
        if line:
            self.report(line)

    def stop_if_asked(self, progress: Progress) -> None:
        """Ends the run in order if the user asked for it.

        Raises:
            RunInterruptedError: the user did.
        """
        if self.was_stopped():
            raise RunInterruptedError(self.folder, progress)


def seeds(config: Config, problems: Mapping[str, FlatProblem], *, most: bool) -> dict[str, int]:
    """On how many seeds of each task programs are trained, at first or at most, in the problems' order."""
    tasks = {find_task(task.name).name: task for task in config.tasks}
    return {name: config.most_seeds(tasks[name]) if most else tasks[name].seeds for name in problems}


def samples(config: Config, problems: Mapping[str, FlatProblem]) -> list[tuple[str, int]]:
    """The tasks and seeds a program of the search is trained on at first, in the problems' order."""
    counts = seeds(config, problems, most=False)
    return [(name, seed) for name, count in counts.items() for seed in Stage.SEARCH.seeds(count)]

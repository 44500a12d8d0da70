"""What a run is made of: everything that can be checked and found before anything is written or started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lion_search.config import Config
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.functions import own_functions
from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural
from lion_search.proxy_tasks.baseline import Baseline, Record
from lion_search.proxy_tasks.scores import Score
from lion_search.proxy_tasks.tasks import find_task
from lion_search.results.records import Stage
from lion_search.runs.audience import Report
from lion_search.runs.facts import run_facts
from lion_search.runs.preflight import baselines_or, check_tasks, find_baselines, set_environment
from lion_search.runs.references import told
from lion_search.runs.reuse import earlier_scores
from lion_search.runs.workers import cluster_address
from lion_search.selection.funnel import RungSettings

if TYPE_CHECKING:
    from lion_search.proxy_tasks.training.prepare import FlatProblem


class PlannedRung(NamedTuple):
    """A rung of the funnel.

    Attributes:
        settings: tasks by their names.
        baselines: tuned on its first task, or else on that of the search.
        are_own: whether it is the former.
    """

    settings: RungSettings
    baselines: Mapping[str, Baseline]
    are_own: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of.

    Attributes:
        config: the whole configuration.
        initial: the program everything begins with.
        problems: of the tasks by name, the cheapest first.
        records: the tasks' baselines.
        rungs: of the funnel.
        meta_validation: AdamW on each task of the meta-validation.
        earlier: scores of earlier runs, by functional hash.
        reused: how many individuals of each earlier run were looked at.
    """

    config: Config
    initial: Program
    problems: Mapping[str, FlatProblem]
    records: Mapping[str, Record]
    rungs: Sequence[PlannedRung]
    meta_validation: Mapping[str, Baseline]
    earlier: Mapping[str, tuple[Score, ...]]
    reused: Mapping[str, int]

    @property
    def adamw(self) -> dict[str, Baseline]:
        """Tuned AdamW for each task."""
        return {task: record.adamw for task, record in self.records.items()}

    @property
    def samples(self) -> list[tuple[str, int]]:
        """The tasks and seeds on which each program of the search is trained at first."""
        return _samples(self.config, self.problems)

    @property
    def most_seeds(self) -> dict[str, range]:
        """For each task all seeds on which a program may come to be trained."""
        counts = {find_task(task.name).name: self.config.most_seeds(task) for task in self.config.tasks}
        return {name: Stage.SEARCH.seeds(counts[name]) for name in self.problems}

    def facts(self) -> dict[str, Any]:
        """What is recorded of it in the log."""
        return run_facts(self.config, self.initial, self.problems, self.records, self.reused)


def make_plan(config: Config, initial: Program, sizes: Mapping[str, int], report: Report) -> Plan:
    """Checks and finds what a run needs.

    Args:
        config: the whole configuration.
        initial: the program everything begins with.
        sizes: how many individuals of earlier runs are looked at, where that was recorded; else all.
        report: is told, in a line, what is worth knowing.

    Raises:
        LionSearchError: a task, its baselines or an earlier run cannot be used.
    """
    set_environment(config.workers)
    if config.workers != "inline":
        cluster_address(config.ray_address)  # before a folder is made
    for row in own_functions():
        if row.code is None and not row.codes:
            report(f"Note: function '{row.name}' has neither code nor jax_code: what uses it is not exported")
    problems = check_tasks([task.name for task in config.tasks], config.limits.memory_gb)
    records = find_baselines(problems, report)
    order = sorted(problems, key=lambda name: _work(problems[name]))  # a hurdle is on the cheapest
    problems = {name: problems[name] for name in order}
    rungs = _find_rungs(config, records[order[0]], max(map(_work, problems.values())))
    larger = () if config.meta_validation is None else config.meta_validation.tasks
    on_larger = baselines_or(check_tasks(larger, config.limits.memory_gb), records[order[0]])
    meta_validation = {task: record.adamw for task, record in on_larger.items()}
    earlier, reused = earlier_scores(config.reuse, problems, _samples(config, problems), sizes)
    if reused:
        report(f"Reusing the scores of {plural(len(earlier), 'program')} of {', '.join(map(told, reused))}")
    in_order = {name: records[name] for name in order}
    return Plan(config, initial, problems, in_order, rungs, meta_validation, earlier, reused)


def _find_rungs(config: Config, record: Record, work: int) -> list[PlannedRung]:
    """The rungs of the funnel, and baselines for them.

    Raises:
        LionSearchError: a task cannot be used, or a rung is smaller than what comes before it.
    """
    rungs, before = [], "the tasks of the search"
    for number, rung in enumerate(config.funnel, start=1):
        problems = check_tasks(rung.tasks, config.limits.memory_gb)
        smaller, work = work, max(map(_work, problems.values()))
        if work < smaller:
            raise LionSearchError(f"funnel: rung {number} trains less than {before}; expected larger tasks")
        before = f"rung {number}"
        first, *_ = problems
        own = baselines_or([first], record)[first]
        settings = rung.model_copy(update={"tasks": [*problems]})
        rungs.append(PlannedRung(settings, own.baselines, own is not record))
    return rungs


def _work(problem: FlatProblem) -> int:
    """Roughly what a training costs: weights times examples."""
    return problem.task.num_steps * problem.task.batch_size * problem.layout.size


def _samples(config: Config, problems: Mapping[str, FlatProblem]) -> list[tuple[str, int]]:
    counts = {find_task(task.name).name: task.seeds for task in config.tasks}
    return [(name, seed) for name in problems for seed in Stage.SEARCH.seeds(counts[name])]

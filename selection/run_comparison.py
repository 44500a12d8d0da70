"""Searches side by side: how good is the best of each after the same number of trainings?

What a search says of its own best is partly luck. So the programs that were best at the checkpoints of each
run are trained again on fresh seeds, the same for all, beside tuned AdamW; and runs that differ in nothing
but their seed are joined, so that what is compared are settings and not single searches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lion_search.dsl.equivalence.canonical import Canonical, canonicalise
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.run_jobs import evaluate_all, evaluate_baselines
from lion_search.proxy_tasks.scores import Part, Score, Status, gains, overall_status, standard_error
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.curves import CurvePoint, FitnessCurve, FitnessPoint, checkpoints, learning_curve
from lion_search.results.judge import Judge
from lion_search.results.queries import count_trainings
from lion_search.results.records import Stage
from lion_search.results.store import Store


class RunComparisonError(LionSearchError):
    """Runs that cannot be compared."""


@dataclass(frozen=True, slots=True)
class LabelledRun:
    """A run to compare.

    Attributes:
        label: what its setting is called; runs with the same label are joined.
        name: what the run is called in messages and in references to its programs.
        store: its log.
    """

    label: str
    name: str
    store: Store


@dataclass(frozen=True, slots=True)
class Measured:
    """The best of one run at one checkpoint, on fresh seeds.

    Attributes:
        label: of the run.
        run: its name.
        trainings: the checkpoint.
        individual_id: the program, as the run's log numbers it.
        hash: its functional hash.
        judged: what the search thought of it then.
        fitness: on fresh seeds, at least -1; -1 if a training failed.
        standard_error: of that over seeds; NaN if a training failed or there is one seed.
        status: ``ok``, or the first failure.
        reason: of the failure.
    """

    label: str
    run: str
    trainings: int
    individual_id: int
    hash: str
    judged: float
    fitness: float
    standard_error: float
    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Runs side by side.

    Attributes:
        tasks: on which all was measured.
        part: of their data.
        num_seeds: fresh seeds of each program.
        checkpoints: numbers of trainings.
        measured: each run's best at each checkpoint.
        curves: one for each label. The standard error is over runs; over seeds where a label has one run.
    """

    tasks: tuple[str, ...]
    part: Part
    num_seeds: int
    checkpoints: tuple[int, ...]
    measured: tuple[Measured, ...]
    curves: tuple[FitnessCurve, ...]


def common_tasks(runs: Sequence[LabelledRun]) -> tuple[str, ...]:
    """The names of the tasks, which must be the same for all runs.

    Raises:
        RunComparisonError: they are not; the message says what differs.
    """
    first, *others = runs
    tasks: dict[str, Any] = first.store.run_facts()["tasks"]
    for other in others:
        if difference := _difference(tasks, other.store.run_facts()["tasks"]):
            raise RunComparisonError(
                f"runs '{first.name}' and '{other.name}' cannot be compared: {difference}"
            )
    return tuple(tasks)


def compare_runs(
    runs: Sequence[LabelledRun],
    pool: Pool,
    *,
    baselines: Mapping[str, Baseline],
    points: int,
    num_seeds: int,
    part: Part = Part.TEST,
    max_trainings: int | None = None,
) -> RunComparison:
    """Trains what was best at the checkpoints of each run on fresh seeds of tasks.

    Args:
        runs: one or more.
        pool: evaluates jobs.
        baselines: AdamW for each task; these are the tasks.
        points: how many checkpoints, at evenly spaced numbers of trainings.
        num_seeds: fresh seeds for each distinct program.
        part: of the data.
        max_trainings: the last checkpoint; by default what the shortest run has.

    Raises:
        RunComparisonError: the runs' tasks differ, or a run is too short.
        TaskError: a baseline cannot be trained.
    """
    common_tasks(runs)  # else the curves would say nothing
    tasks = tuple(baselines)
    amounts = checkpoints(points, _last_checkpoint(runs, max_trainings))
    found = [(run, point, _program(run, point)) for run in runs for point in _best(run, points, amounts)]
    distinct = {canonical.hash: canonical.program() for _, _, canonical in found}
    results = _train(pool, distinct, baselines, tasks, part, num_seeds)
    measured = tuple(
        Measured(
            run.label,
            run.name,
            point.trainings,
            point.best_id,
            canonical.hash,
            point.judged,
            *results[canonical.hash],
        )
        for run, point, canonical in found
    )
    return RunComparison(tasks, part, num_seeds, amounts, measured, _curves(runs, measured))


def _last_checkpoint(runs: Sequence[LabelledRun], max_trainings: int | None) -> int:
    total, name = min((count_trainings(run.store), run.name) for run in runs)
    needed = 1 if max_trainings is None else max_trainings
    if total < needed:
        has = plural(total, "training")
        raise RunComparisonError(f"run '{name}' has {has}; expected at least {needed:,}")
    return total if max_trainings is None else max_trainings


def _best(run: LabelledRun, points: int, amounts: Sequence[int]) -> list[CurvePoint]:
    """The points of a run's curve that lie at the checkpoints; its end may lie beyond."""
    return [p for p in learning_curve(run.store, points, amounts[-1]) if p.trainings in amounts]


def _program(run: LabelledRun, point: CurvePoint) -> Canonical:
    individual = run.store.individual(point.best_id)
    assert individual is not None
    return canonicalise(parse(individual.program, f"{run.name}:{point.best_id}"))


_LEAST_FITNESS = -1.0
"""What a program counts at least: a mean over runs must not hang on one that diverges."""

_Result = tuple[float, float, Status, str]
"""Fitness, its standard error over seeds, status and reason."""


def _train(
    pool: Pool,
    programs: Mapping[str, Program],
    baselines: Mapping[str, Baseline],
    tasks: Sequence[str],
    part: Part,
    num_seeds: int,
) -> dict[str, _Result]:
    """Trains each program once; results by its hash."""
    seeds = Stage.COMPARISON.seeds(num_seeds)
    baseline = evaluate_baselines(pool, {task: baselines[task] for task in tasks}, part, seeds)
    judge = Judge(baseline)  # raises if a baseline failed
    scores = evaluate_all(pool, list(programs.values()), tasks, part, seeds)
    return {
        hash_: (max(_LEAST_FITNESS, judge.fitness(own)), *_spread(own, baseline))
        for hash_, own in zip(programs, scores, strict=True)
    }


def _spread(scores: Sequence[Score], baseline: Sequence[Score]) -> tuple[float, Status, str]:
    """Standard error over seeds, status and reason."""
    status = overall_status(scores)
    if status is not Status.OK:
        return math.nan, status, next(s.reason for s in scores if s.status is status)
    return standard_error(gains(scores, baseline)), status, ""


def _curves(runs: Sequence[LabelledRun], measured: Iterable[Measured]) -> tuple[FitnessCurve, ...]:
    """One curve for each label, in their order."""
    num_runs: dict[str, int] = {}
    for run in runs:
        num_runs[run.label] = num_runs.get(run.label, 0) + 1
    cells: dict[str, dict[int, list[Measured]]] = {label: {} for label in num_runs}
    for row in measured:
        cells[row.label].setdefault(row.trainings, []).append(row)
    return tuple(
        FitnessCurve(label, count, tuple(_points(cells[label], count))) for label, count in num_runs.items()
    )


def _points(cells: Mapping[int, Sequence[Measured]], num_runs: int) -> Iterator[FitnessPoint]:
    """The means over runs, where each of them knew a program: over some they would be of other runs."""
    for trainings, rows in sorted(cells.items()):
        if len(rows) == num_runs:
            values = [row.fitness for row in rows]
            error = rows[0].standard_error if num_runs == 1 else standard_error(values)
            yield FitnessPoint(trainings, fmean(values), error)


def _difference(tasks: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """What differs between two runs' tasks; empty if nothing does."""
    if tasks.keys() != others.keys():
        return f"the tasks are {', '.join(tasks)} and {', '.join(others)}"
    for name, facts in tasks.items():
        for key in facts | others[name]:
            ours, theirs = facts.get(key), others[name].get(key)
            if ours != theirs:
                return f"{key} of task '{name}' is {ours} and {theirs}"
    return ""

"""What a benchmark costs, measured before it begins, and the effort that fits a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.shown import duration
from lion_search.proxy_tasks.jobs import CurveJob, Job, Subject
from lion_search.proxy_tasks.run_jobs import run_curves, run_jobs
from lion_search.proxy_tasks.scores import Part, describe_failure, first_failure
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Stage
from lion_search.selection.benchmark import LEAST_SEEDS, LOOKS, MOST_SEEDS
from lion_search.selection.constants import efforts

_MOST_TRAININGS = 1040
"""More trainings of each optimizer than that are not spent to fill a time."""
_LOOPS_OF_A_FORM, _LOOPS_OF_A_COMPARISON = 2, 2
"""Training loops that are compiled: an average is written one way round or the other as its weight is small
or large; a comparison has a loop for the reported metric and one with looks."""


class TooLittleTimeError(LionSearchError):
    """A time in which not even the least can be done."""


class Cost(NamedTuple):
    """What is paid on a task, in seconds of one worker.

    Attributes:
        compiling: a training loop, in each worker.
        training: of the tuning or the comparison.
        looked_at: a training with looks.
    """

    compiling: float
    training: float
    looked_at: float


class Effort(NamedTuple):
    """What is spent on each optimizer on each task.

    Attributes:
        trainings: that tune it, in each of its forms.
        seeds: on which it is compared.
    """

    trainings: int
    seeds: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a benchmark takes, in seconds by the clock.

    Attributes:
        costs: by task.
        num_optimizers: that are judged, AdamW among them.
        num_forms: of all of them.
        num_workers: that train at a time.
    """

    costs: Mapping[str, Cost]
    num_optimizers: int
    num_forms: int
    num_workers: int

    def seconds(self, effort: Effort) -> dict[str, float]:
        """By task."""
        return {task: self._seconds(effort, cost) for task, cost in self.costs.items()}

    def _seconds(self, effort: Effort, cost: Cost) -> float:
        loops = _LOOPS_OF_A_FORM * self.num_forms + _LOOPS_OF_A_COMPARISON * self.num_optimizers
        tuning = self.num_forms * effort.trainings * cost.training
        comparing = self.num_optimizers * effort.seeds * (2 * cost.training + cost.looked_at)
        return loops * cost.compiling + (tuning + comparing) / self.num_workers

    def fitting(self, wanted: Effort, minutes: float) -> Effort:
        """The largest effort that fits, with about as many seeds for its trainings as one that is wanted.

        Raises:
            TooLittleTimeError: there is none; the message says what the least takes.
        """
        share = wanted.seeds / wanted.trainings
        possible = [
            Effort(own, min(MOST_SEEDS, max(LEAST_SEEDS, round(share * own))))
            for own in efforts(_MOST_TRAININGS)
        ]
        fitting = [e for e in possible if sum(self.seconds(e).values()) <= 60 * minutes]
        if not fitting:
            least = possible[0]
            raise TooLittleTimeError(
                f"{minutes:g} minutes are too few: the least, {least.trainings} trainings and {least.seeds} "
                f"seeds of each optimizer on each task, takes about "
                f"{duration(sum(self.seconds(least).values()))} here"
            )
        return fitting[-1]


def measure_costs(pool: Pool, subject: Subject, tasks: Sequence[str]) -> dict[str, Cost]:
    """Trains an optimizer on each task twice, and once with looks.

    Raises:
        TaskError: it fails there.
    """
    seeds = Stage.TUNING.seeds(2)
    jobs = [Job(subject, tuple((task, seed, Part.VALIDATION) for seed in seeds)) for task in tasks]
    scores = dict(run_jobs(pool, jobs))
    looks = [CurveJob(subject, (task, seeds[0], Part.VALIDATION), LOOKS) for task in tasks]
    curves = dict(run_curves(pool, looks))
    costs = {}
    for place, task in enumerate(tasks):
        if (failed := first_failure(scores[place])) is not None:
            raise TaskError(f"task '{task}' cannot be benchmarked: AdamW: {describe_failure(failed)}")
        if place not in curves:
            raise TaskError(f"task '{task}' cannot be benchmarked: AdamW fails where it is looked at")
        first, second = (score.seconds for score in scores[place])
        compiling = max(0.0, first - second)
        costs[task] = Cost(compiling, second, max(second, curves[place].seconds - compiling))
    return costs

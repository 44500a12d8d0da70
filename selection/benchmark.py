"""Optimizers judged on a suite of tasks beside AdamW.

On each task the constants of each optimizer are tuned on validation data, from where they are, with the same
number of trainings (:func:`tune_from_afar`). Then all are trained on the same fresh seeds and looked at on
the way, on test data: the losses at the end are compared seed by seed, and the losses along the way say how
many steps each takes to where AdamW ends (:mod:`lion_search.selection.speedup`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from lion_search.dsl.settings import Settings
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.scores import (
    Curve,
    Part,
    Score,
    describe_failure,
    gains,
    required_mean_losses,
)
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.selection.comparison import Measurement
from lion_search.selection.constants import LEAST_TRAININGS, Tuned, tune_from_afar
from lion_search.selection.logged import curves_logged, train_logged
from lion_search.selection.speedup import (
    LEVEL,
    geometric_mean,
    interval,
    resampled_speedups,
    speedup,
    steps_to,
)
from lion_search.selection.verdicts import lead

LOOKS = 25
"""How often a training is looked at."""
LEAST_EFFORT, LEAST_SEEDS, MOST_SEEDS = 2 * LEAST_TRAININGS, 4, 1000


class SuiteSettings(Settings):
    """A suite of tasks and what is spent on them."""

    tasks: Annotated[list[str], Field(min_length=1)]
    """References of tasks."""
    trainings: Annotated[int, Field(ge=LEAST_EFFORT)] = 260
    """Trainings that tune the constants of each optimizer on each task, of AdamW in each of its two forms."""
    seeds: Annotated[int, Field(ge=LEAST_SEEDS, le=MOST_SEEDS)] = 16
    """Fresh seeds on which the tuned optimizers are compared."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An optimizer on a task.

    Attributes:
        name: what it is called.
        subject: with the constants that were tuned there.
        scores: of its trainings on the fresh seeds, up to the first failure.
        curves: the losses along its trainings on them; ``None`` for one that could not be looked at.
        seconds_per_step: of the fastest training of the tuning; infinite if there was none.
    """

    name: str
    subject: Subject
    scores: Sequence[Score]
    curves: Sequence[Curve | None]
    seconds_per_step: float


@dataclass(frozen=True, slots=True)
class Row:
    """An optimizer on a task, beside AdamW; its fields are JSON values.

    Attributes:
        task: its name.
        optimizer: what it is called.
        constants: that were tuned, or the program with them.
        failure: how a training failed; empty if none did.
        mean: of the loss on test; NaN after a failure.
        standard_error: of that.
        lead: mean over seeds of the fitness against AdamW; positive is better.
        lead_low: where its interval of 95 % begins,
        lead_high: and ends.
        steps: to where AdamW ends, ``None`` if that is not reached.
        speedup: AdamW's steps over its own to the same loss, see :func:`speedup`.
        speedup_low: where its interval begins,
        speedup_high: and ends.
        seconds_per_step: see :class:`Measured`.
        passes_per_step: evaluations of the loss beside the gradient.
        bytes_per_weight: of state.
        looks: the steps at which trainings were looked at.
        losses: at these, the mean over seeds.
    """

    task: str
    optimizer: str
    constants: str
    failure: str
    mean: float
    standard_error: float
    lead: float
    lead_low: float
    lead_high: float
    steps: float | None
    speedup: float
    speedup_low: float
    speedup_high: float
    seconds_per_step: float
    passes_per_step: float
    bytes_per_weight: float
    looks: Sequence[int]
    losses: Sequence[float]


@dataclass(frozen=True, slots=True)
class SuiteScore:
    """An optimizer over all tasks.

    Attributes:
        optimizer: what it is called.
        score: the geometric mean over tasks of its speed-up.
        low: where its interval of 95 % begins, over seeds; other tasks would give another score,
        high: and ends.
        ahead: tasks on which the interval of its lead is above 0,
        behind: and on which it is below, or a training failed.
        num_tasks: all.
    """

    optimizer: str
    score: float
    low: float
    high: float
    ahead: int
    behind: int
    num_tasks: int


def measure(
    store: Store,
    pool: Pool,
    optimizers: Mapping[str, Sequence[Subject]],
    task: str,
    trainings: int,
    num_seeds: int,
    report: Callable[[str], None] = lambda line: None,
) -> list[Measured]:
    """Tunes optimizers on a task and trains them on fresh seeds; trainings that were logged are not repeated.

    Args:
        store: open for writing.
        pool: evaluates jobs.
        optimizers: by what they are called, each with the forms of it that are tuned.
        task: its name.
        trainings: that tune each.
        num_seeds: on which each is then trained.
        report: is told, in a line, what happens.
    """
    tuned: dict[str, Tuned[Subject]] = {}
    for name, forms in optimizers.items():
        report(f"{task}: tuning {name}")
        tuned[name] = tune_from_afar(store, pool, forms, task, trainings)
    report(f"{task}: comparing")
    seeds = Stage.TEST.seeds(num_seeds)
    best = [found.best for found in tuned.values()]
    scores = train_logged(store, pool, Stage.TEST, best, [task], Part.TEST, seeds)
    curves = curves_logged(store, pool, best, task, Part.TEST, seeds, LOOKS)
    seconds = _seconds_per_step(store, task)
    fastest = [min(seconds.get(tried, math.inf) for tried in own.tried) for own in tuned.values()]
    return [Measured(*own) for own in zip(tuned, best, scores, curves, fastest, strict=True)]


def _seconds_per_step(store: Store, task: str) -> dict[str, float]:
    """Of the fastest training of the tuning, by what was trained."""
    found: dict[str, float] = {}
    for row in store.evaluations(stage=Stage.TUNING):
        if row.score.task == task and row.score.num_steps:
            own = row.score.seconds / row.score.num_steps
            found[row.subject] = min(own, found.get(row.subject, own))
    return found


def rows(
    task: str,
    measured: Sequence[Measured],
    step_cost: Callable[[Subject], tuple[float, float]],
    describe: Callable[[Subject], str],
) -> list[Row]:
    """Optimizers on a task beside AdamW, which is the first.

    Args:
        task: its name.
        measured: all on the same seeds.
        step_cost: an optimizer's evaluations of the loss a step, and bytes of state for each weight.
        describe: an optimizer's constants, for people.

    Raises:
        TaskError: AdamW does not train.
    """
    required_mean_losses(measured[0].scores)
    if not all(measured[0].curves):
        raise TaskError(f"task '{task}': AdamW trains, and fails where it is looked at on the way")
    return [_row(task, own, measured[0], step_cost(own.subject), describe(own.subject)) for own in measured]


def _row(task: str, own: Measured, adamw: Measured, cost: tuple[float, float], constants: str) -> Row:
    measurement = Measurement(own.name, task, tuple(own.scores), len(adamw.scores))
    failed = measurement.failure
    advance = None if failed else lead(gains(own.scores, adamw.scores), (1 + LEVEL) / 2)
    steps, theirs = _losses(adamw)
    _, losses = _losses(own)
    means = losses.mean(0)
    low, high = interval(_resampled(own, adamw))
    return Row(
        task=task,
        optimizer=own.name,
        constants=constants,
        failure="" if failed is None else describe_failure(failed),
        mean=measurement.mean,
        standard_error=measurement.standard_error if failed is None else math.nan,
        lead=advance.mean if advance else math.nan,
        lead_low=advance.bound if advance else math.nan,
        lead_high=2 * advance.mean - advance.bound if advance else math.nan,
        steps=None if failed else steps_to(float(theirs.mean(0)[-1]), steps, means),
        speedup=speedup(steps, means, theirs.mean(0)),
        speedup_low=low,
        speedup_high=high,
        seconds_per_step=own.seconds_per_step,
        passes_per_step=cost[0],
        bytes_per_weight=cost[1],
        looks=steps,
        losses=means.tolist(),
    )


def _losses(measured: Measured) -> tuple[Sequence[int], np.ndarray]:
    """The steps of the looks, and the losses ``[seeds, looks]``; NaN for a training without a curve."""
    steps = next((curve.steps for curve in measured.curves if curve is not None), (0, 1))
    missing = (math.nan,) * len(steps)
    return steps, np.array([missing if curve is None else curve.losses for curve in measured.curves])


def suite_scores(table: Sequence[Row], measured: Sequence[Sequence[Measured]]) -> list[SuiteScore]:
    """Each optimizer over all tasks, in their order.

    Args:
        table: the rows of all tasks.
        measured: for each task what its rows were made of.
    """
    found = []
    for place, own in enumerate(measured[0]):
        mine = [row for row in table if row.optimizer == own.name]
        resampled = [
            _resampled(on_task[place], on_task[0], number) for number, on_task in enumerate(measured)
        ]
        low, high = interval(np.exp(np.log(resampled).mean(0)))
        ahead = sum(row.lead_low > 0 for row in mine)
        behind = sum(bool(row.failure) or row.lead_high < 0 for row in mine)
        score = geometric_mean([row.speedup for row in mine])
        found.append(SuiteScore(own.name, score, low, high, ahead, behind, len(mine)))
    return found


def _resampled(own: Measured, adamw: Measured, number: int = 0) -> np.ndarray:
    steps, theirs = _losses(adamw)
    return resampled_speedups(steps, _losses(own)[1], theirs, number)

"""What one training gives, and how raw losses become fitness.

Raw losses are what is logged; fitness is derived from them and from the baseline: the mean over tasks of
``log(baseline loss / loss)``, each clipped to +-1; -1 for any failure. Higher is better and 0 is parity
with tuned AdamW.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lion_search.proxy_tasks.tasks import TaskError

FAILURE_FITNESS = -1.0
_LEAST_LOSS = 1e-30


class Status(enum.StrEnum):
    """How an evaluation ended. A failure of a candidate is a value, never an exception."""

    OK = "ok"
    DIVERGED = "diverged"
    """A weight or the final loss was not finite."""
    TOO_LARGE = "too_large"
    """More live statements or values at a time than the interpreter takes, or dearer than the limit."""
    CRASHED = "crashed"
    """The worker died twice, or raised, while it evaluated the candidate."""
    TIMED_OUT = "timed_out"
    """It took longer than the limit and was ended from outside."""
    OUT_OF_MEMORY = "out_of_memory"
    """Its process took more memory than the limit and was ended from outside, or could not get it."""
    STOPPED = "stopped"
    """Its first loss did not pass the hurdle."""


FAULTS = (Status.CRASHED, Status.TIMED_OUT, Status.OUT_OF_MEMORY)
"""What depends on the machine: a program that ends so is given a second chance and then quarantined, and a
search that meets one is replayed from its log but not repeated from its seed."""


class Part(enum.StrEnum):
    """A part of a task's data. A search sees validation; every reported number is from test."""

    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Score:
    """The outcome of one training.

    Attributes:
        task: the task's name.
        part: where the loss was measured.
        seed: of the initial weights and the batches; the same seed is the same sample for every program.
        status: how it ended.
        loss: the task's metric on the part; ``None`` unless the status is ok or stopped.
        num_steps: training steps taken.
        seconds: wall-clock time of the training.
        reason: for a failure, what happened.
    """

    task: str
    part: Part
    seed: int
    status: Status
    loss: float | None
    num_steps: int
    seconds: float
    reason: str = ""


def overall_status(scores: Sequence[Score]) -> Status:
    """``ok``, or the first failure."""
    return next((s.status for s in scores if s.status is not Status.OK), Status.OK)


def variance(values: Sequence[float]) -> float:
    """Variance of what the values were drawn from; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan
    mean = fmean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean; NaN for fewer than two values."""
    return math.sqrt(variance(values) / len(values)) if len(values) > 1 else math.nan


def mean_losses(scores: Sequence[Score]) -> dict[str, float] | None:
    """The mean loss of each task over its seeds; ``None`` if there is no score or any failed."""
    losses: dict[str, list[float]] = {}
    for score in scores:
        if score.status is not Status.OK or score.loss is None:
            return None
        losses.setdefault(score.task, []).append(score.loss)
    return {task: fmean(values) for task, values in losses.items()} or None


def required_mean_losses(scores: Sequence[Score]) -> dict[str, float]:
    """The mean loss of each task, of an optimizer that must not fail.

    Raises:
        TaskError: a training failed; the message says which and why.
    """
    losses = mean_losses(scores)
    if losses is None:
        bad = next((s for s in scores if s.status is not Status.OK), None)
        what = f"seed {bad.seed} on task '{bad.task}' {bad.status}: {bad.reason}" if bad else "no training"
        raise TaskError(f"the baseline cannot be trained: {what}")
    return losses


def log_of_loss(loss: float) -> float:
    """The natural logarithm of a loss, that of 1e-30 for smaller ones: a loss may be zero."""
    return math.log(max(loss, _LEAST_LOSS))


def gain(loss: float, baseline_loss: float) -> float:
    """``log(baseline loss / loss)``, clipped to +-1: fitness on one task."""
    ratio = max(baseline_loss, _LEAST_LOSS) / max(loss, _LEAST_LOSS)
    return max(-1.0, min(1.0, math.log(ratio)))


def fitness(scores: Sequence[Score], baseline_losses: Mapping[str, float]) -> float:
    """Fitness of a program from its scores.

    Args:
        scores: one or more for each task.
        baseline_losses: the mean loss of tuned AdamW on the same seeds and part of each task.

    Returns:
        A number in [-1, 1]; 0 is parity with the baseline, higher is better.
    """
    losses = mean_losses(scores)
    if losses is None:
        return FAILURE_FITNESS
    return fmean(gain(loss, baseline_losses[task]) for task, loss in losses.items())

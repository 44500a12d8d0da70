"""What one training gives, and how raw losses become fitness.

Raw losses are what is logged; fitness is derived from them and from the baseline: the mean over tasks of
``log(baseline loss / loss)``, or of ``(baseline loss - loss) / unit`` where the task's reference says so;
minus infinity for any failure. Higher is better and 0 is parity with tuned AdamW. There is no bound: of two
losses the lower always has the higher fitness.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lion_search.proxy_tasks.compared_by import Fitness, compared_by, with_difference
from lion_search.proxy_tasks.tasks import TaskError

FAILURE_FITNESS = -math.inf
_LEAST_LOSS = 1e-30
_LEAST_RATIO = 1e-3
"""Below so much of the baseline's loss the logarithm goes on as its tangent, through zero and below."""


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


@dataclass(frozen=True, slots=True)
class Curve:
    """The losses along one training.

    Attributes:
        steps: increasing numbers of steps, from 0 to the last.
        losses: the task's metric after each; NaN once training has diverged.
        seconds: wall-clock time of the training and of the looks.
    """

    steps: tuple[int, ...]
    losses: tuple[float, ...]
    seconds: float = 0.0


def overall_status(scores: Sequence[Score]) -> Status:
    """``ok``, or the first failure."""
    failed = first_failure(scores)
    return Status.OK if failed is None else failed.status


def first_failure(scores: Sequence[Score]) -> Score | None:
    """The first training that failed, if one did."""
    return next((s for s in scores if s.status is not Status.OK), None)


def describe_failure(score: Score) -> str:
    """How a training failed, for people: status, where, and the reason, which tells the step."""
    reason = f": {one_line(score.reason)}" if score.reason else ""
    return f"{score.status} on {score.task}, seed {score.seed}{reason}"


def one_line(reason: str) -> str:
    """A reason in a line: of several lines the first and the last, what was raised and its cause."""
    lines = reason.strip().splitlines()
    return reason if len(lines) < 2 else f"{lines[0].strip()} ... {lines[-1].strip()}"


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
        bad = first_failure(scores)
        what = f"seed {bad.seed} on task '{bad.task}' {bad.status}: {bad.reason}" if bad else "no training"
        raise TaskError(f"the baseline cannot be trained: {what}")
    return losses


def check_ratio(name: str, loss: float, whose: str) -> None:
    """Checks that a loss can be compared by ratio, where the task says so.

    Raises:
        TaskError: it is not positive; the message names the task that compares by difference.
    """
    if compared_by(name)[0] is Fitness.RATIO and loss <= 0:
        raise TaskError(
            f"task '{name}': {whose} has a loss of {loss:.4g}, and fitness is the logarithm of a ratio of "
            f"losses, which must be positive; compare by difference instead: '{with_difference(name)}'"
        )


def level(task: str, loss: float) -> float:
    """A loss on the scale on which fitness is a difference: its logarithm, or so many units."""
    kind, unit = compared_by(task)
    return loss / unit if kind is Fitness.DIFFERENCE else math.log(max(loss, _LEAST_LOSS))


def gain(task: str, loss: float, baseline_loss: float) -> float:
    """Fitness on one task.

    Where losses are compared by ratio and the baseline's is not positive, which only simplification comes
    to, there is no ratio: +1, 0 or -1 then.
    """
    kind, unit = compared_by(task)
    if kind is Fitness.DIFFERENCE:
        return (baseline_loss - loss) / unit
    if baseline_loss <= 0:
        return float((loss < baseline_loss) - (loss > baseline_loss))
    ratio = loss / baseline_loss
    if ratio < _LEAST_RATIO:
        return 1.0 - math.log(_LEAST_RATIO) - ratio / _LEAST_RATIO
    return math.log(baseline_loss / loss)


def fitness(scores: Sequence[Score], baseline_losses: Mapping[str, float]) -> float:
    """Fitness of a program from its scores.

    Args:
        scores: one or more for each task.
        baseline_losses: the mean loss of tuned AdamW on the same seeds and part of each task.

    Returns:
        0 is parity with the baseline, higher is better; minus infinity if any training failed.
    """
    losses = mean_losses(scores)
    if losses is None:
        return FAILURE_FITNESS
    return fmean(gain(task, loss, baseline_losses[task]) for task, loss in losses.items())


def gains(scores: Sequence[Score], baseline: Sequence[Score]) -> list[float]:
    """Fitness seed by seed, in the order of the seeds: the mean over tasks of the gain.

    Args:
        scores: of trainings that did not fail.
        baseline: what they are compared with, on all their tasks and seeds.
    """
    reference = {(s.task, s.seed): s.loss or 0.0 for s in baseline}
    found: dict[int, list[float]] = {}
    for score in scores:
        own = gain(score.task, score.loss or 0.0, reference[score.task, score.seed])
        found.setdefault(score.seed, []).append(own)
    return [fmean(own) for own in found.values()]

"""How many times fewer steps an optimizer takes than AdamW, from the losses along their trainings.

The target is the loss that AdamW ends at. Both are trained for the same number of steps, so an optimizer that
is worse never gets there. It is then asked the other way round, as by Metz et al. 2022 (VeLO): how many steps
AdamW takes to where the optimizer ends. So the speed-up is a number in both cases, and that of AdamW is 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

NUM_RESAMPLES = 1000
LEVEL = 0.95
"""Of intervals."""

Losses = np.ndarray
"""``[seeds, looks]``, along trainings of one optimizer; NaN once one has diverged."""


def steps_to(target: float, steps: Sequence[int], losses: Sequence[float] | np.ndarray) -> float | None:
    """The first step at which a loss is at a target or below, interpolated between looks.

    Args:
        target: a loss.
        steps: of the looks, from 0.
        losses: at the looks.

    Returns:
        From the second look's step on, as nothing is reached in no step; ``None`` if it is not reached.
    """
    reached = np.flatnonzero(np.asarray(losses) <= target)
    if not len(reached):
        return None
    place = int(reached[0])
    if place == 0:
        return float(steps[1])
    before, after = float(losses[place - 1]), float(losses[place])
    share = (before - target) / (before - after)
    return max(float(steps[1]), steps[place - 1] + share * (steps[place] - steps[place - 1]))


def speedup(steps: Sequence[int], own: np.ndarray, adamw: np.ndarray) -> float:
    """AdamW's steps over an optimizer's to where AdamW ends or, if it does not get there, to where it ends.

    Args:
        steps: of the looks, the same for both.
        own: mean losses of the optimizer at the looks.
        adamw: those of AdamW.

    Returns:
        Between the share of the first look in the training and its inverse; the share for what diverged.
    """
    least = steps[1] / steps[-1]
    if not np.isfinite(own).all():
        return least
    target = float(adamw[-1])
    if (taken := steps_to(target, steps, own)) is None:
        target, taken = float(own[-1]), float(steps[-1])
    theirs = steps_to(target, steps, adamw)
    assert theirs is not None
    return theirs / taken


def resampled_speedups(steps: Sequence[int], own: Losses, adamw: Losses, number: int = 0) -> np.ndarray:
    """Speed-ups ``[NUM_RESAMPLES]`` with the seeds drawn anew, the same for both: a paired bootstrap.

    Args:
        steps: of the looks.
        own: losses of the optimizer.
        adamw: those of AdamW.
        number: of the draws; each task has others.
    """
    draws = np.random.default_rng(number).integers(len(own), size=(NUM_RESAMPLES, len(own)))
    return np.array([speedup(steps, own[rows].mean(0), adamw[rows].mean(0)) for rows in draws])


def geometric_mean(values: Sequence[float] | np.ndarray) -> float:
    """Of numbers above 0."""
    return math.exp(float(np.mean(np.log(values))))


def interval(values: np.ndarray) -> tuple[float, float]:
    """Between which the middle of some resampled values lies."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)

"""Whether a program is ahead of a baseline: a paired comparison on seeds that both were trained on.

A program is shown to be ahead if the lower confidence bound of its mean lead (Student's t, one-sided) is
above zero on all seeds of the comparison. It is clearly behind, and trained no further, if after 1, 2, 4, ...
seeds its mean lead is more than two standard errors below zero; of up to three seeds the noise is taken to be
that of two independent trainings of the baseline. So an optimizer that is as good as the baseline passes with
probability ``1 - confidence`` at most: being dropped early only lowers it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from lion_search.proxy_tasks.scores import standard_error

_BEHIND = 2.0
_FEW = 4
"""With fewer seeds the noise is not estimated from the differences."""


@dataclass(frozen=True, slots=True)
class Lead:
    """By how much a program is ahead of a baseline, in fitness; positive is better.

    Attributes:
        mean: over seeds.
        standard_error: of the mean; NaN for one seed.
        bound: the lower confidence bound of the mean; NaN for one seed.
    """

    mean: float
    standard_error: float
    bound: float


def lead(differences: Sequence[float], confidence: float) -> Lead:
    """The lead that differences show, one for each seed, with probability ``confidence`` or more."""
    from scipy.special import stdtrit  # it takes a while to import

    mean, error = fmean(differences), standard_error(differences)
    if math.isnan(error):
        return Lead(mean, error, error)
    return Lead(mean, error, mean - float(stdtrit(len(differences) - 1, confidence)) * error)


def is_clearly_behind(differences: Sequence[float], noise: float) -> bool:
    """Whether more seeds are a waste.

    Args:
        differences: in fitness, one for each seed so far.
        noise: standard deviation of one difference, should there be few.
    """
    few = len(differences) < _FEW
    error = noise / math.sqrt(len(differences)) if few else standard_error(differences)
    return fmean(differences) < -_BEHIND * error


def looks(num_seeds: int) -> list[int]:
    """After how many seeds the differences are looked at: 1, 2, 4, ... and all."""
    return [2**power for power in range(num_seeds.bit_length()) if 2**power < num_seeds] + [num_seeds]

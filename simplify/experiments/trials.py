"""Whether a change costs anything: a sequential paired comparison.

A changed program and those it must not lose against are trained on the same seeds, so that they differ by the
change and not by luck. The difference of a seed is in fitness: the mean over tasks of
``log(other's loss / its loss)``, or of their difference in units, clipped to +-1; a training that fails
counts as -1. After 8, 16, 32, ... seeds a lower confidence bound of the mean difference (Student's t) is
compared with the margin: the change is accepted as soon as a loss beyond the margin is excluded, and rejected
as soon as the seeds that are left can hardly show that any more.

Each look at each change could accept by luck. So the error allowed in all is divided by the number of all
looks there may be (Bonferroni): with probability ``1 - error`` nothing that is accepted loses more than the
margin. Rejecting early costs no error. The probability is over seeds, that is initial weights and batches;
the validation data are what they are.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from lion_search.dsl.shown import plural, signed
from lion_search.proxy_tasks.scores import standard_error

CLEARLY = 3.0
"""A loss of so many margins is far beyond the margin."""


@dataclass(frozen=True, slots=True)
class TrialSettings:
    """How sure an experiment must be.

    Attributes:
        margin: the loss of fitness that must be excluded; 0.03 is 3 % of the training loss on each task.
        error: the probability that anything accepted loses more than that.
        max_tries: how many changes may be tried in all.
        looks: after how many seeds differences are looked at.
    """

    margin: float = 0.03
    error: float = 0.05
    max_tries: int = 400
    looks: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512)

    @property
    def level(self) -> float:
        """The error allowed for one look at one change."""
        return self.error / self.max_tries / len(self.looks)


DEFAULT_SETTINGS = TrialSettings()


class Verdict(enum.StrEnum):
    """What a look at the differences says."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    OPEN = "open"
    """More seeds are needed. A trial that ends so was cut short, by time or because another was accepted."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the seeds so far say of a change.

    Attributes:
        num_seeds: on how many seeds it was trained beside the programs it is compared with.
        gain: mean difference in fitness to the one that it loses most against; positive is better.
        bound: the lower confidence bound of that.
        verdict: what follows.
        is_clear_loss: whether the loss is far beyond the margin.
    """

    num_seeds: int
    gain: float
    bound: float
    verdict: Verdict
    is_clear_loss: bool = False

    def summary(self) -> str:
        """A few words for people."""
        gain, bound = signed(self.gain), signed(self.bound)
        return f"fitness {gain}, at least {bound}, {plural(self.num_seeds, 'seed')}"


def look(differences: Sequence[Sequence[float]], settings: TrialSettings) -> Evidence:
    """Judges the differences at one of the looks.

    Args:
        differences: for each program that the change must not lose against, one for each seed, at least two.
        settings: how sure to be.
    """
    return min((_look_at(own, settings) for own in differences), key=lambda evidence: evidence.bound)


def _look_at(differences: Sequence[float], settings: TrialSettings) -> Evidence:
    count, last = len(differences), settings.looks[-1]
    gain, noise = math.fsum(differences) / count, standard_error(differences)
    bound = gain - _quantile(settings.level, count) * noise
    hoped_for = gain + 2 * noise - _quantile(settings.level, last) * noise * math.sqrt(count / last)
    if bound > -settings.margin:
        verdict = Verdict.ACCEPTED
    elif count >= last or hoped_for <= -settings.margin:
        verdict = Verdict.REJECTED
    else:
        verdict = Verdict.OPEN
    return Evidence(count, gain, bound, verdict, gain + 2 * noise < -CLEARLY * settings.margin)


def _quantile(level: float, count: int) -> float:
    """Student's t for a one-sided bound from so many differences."""
    from scipy.special import stdtrit

    return -float(stdtrit(count - 1, level))

"""From raw losses to the number by which programs are compared.

Fitness is the mean over tasks of ``log(baseline loss / loss)``, or of a difference, on the same seeds; see
:mod:`lion_search.proxy_tasks.scores`. Here the baseline's losses are kept seed by seed, so that programs
that were trained on different numbers of seeds can be compared, and two things may be taken off:
*caution*, so many standard errors of a mean over few seeds, and *prices* for state arrays and statements.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lion_search.proxy_tasks.scores import (
    FAILURE_FITNESS,
    Score,
    Status,
    check_ratio,
    fitness,
    level,
    mean_losses,
    required_mean_losses,
    variance,
)


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """What is taken off fitness.

    Attributes:
        caution: standard errors of the mean; it matters where programs have different numbers of seeds.
        state_price: for each state array of the canonical form.
        statement_price: for each statement of the canonical form.
    """

    caution: float = 0.0
    state_price: float = 0.0
    statement_price: float = 0.0

    @property
    def has_prices(self) -> bool:
        """Whether any price is set."""
        return bool(self.state_price or self.statement_price)


class Judge:
    """Compares programs by their scores, relative to tuned AdamW on the same seeds."""

    def __init__(self, baseline: Sequence[Score], settings: JudgeSettings = JudgeSettings()) -> None:
        """A judge.

        Args:
            baseline: of tuned AdamW, on every (task, seed) a program may be trained on.
            settings: what is taken off fitness.

        Raises:
            TaskError: the baseline failed, or has a loss that fitness is not defined for.
        """
        required_mean_losses(baseline)
        self.settings = settings
        self._baseline = {(s.task, s.seed): s for s in baseline}
        losses: dict[str, list[float]] = {}
        for score in baseline:
            loss = score.loss or 0.0
            check_ratio(score.task, loss, f"tuned AdamW, on seed {score.seed},")
            losses.setdefault(score.task, []).append(level(score.task, loss))
        self._variances = {task: variance(own) if len(own) > 1 else 0.0 for task, own in losses.items()}

    def fitness(self, scores: Sequence[Score]) -> float:
        """Fitness: 0 is parity with the baseline on the same seeds; minus infinity is failure."""
        baseline = mean_losses([self._baseline[s.task, s.seed] for s in scores])
        return FAILURE_FITNESS if baseline is None else fitness(scores, baseline)

    def standard_error(self, scores: Iterable[Score]) -> float:
        """Standard error of a fitness, the noise of one seed being that of the baseline; 0 if it had one."""
        counts: dict[str, int] = {}
        for score in scores:
            counts[score.task] = counts.get(score.task, 0) + 1
        return math.sqrt(sum(self._variances[task] / n for task, n in counts.items())) / max(1, len(counts))

    def caution(self, scores: Iterable[Score]) -> float:
        """What is taken off a fitness for the few seeds behind it."""
        return self.settings.caution * self.standard_error(scores)

    def cautious(self, scores: Sequence[Score]) -> float:
        """Fitness less ``caution`` standard errors; that of a failure is as low as can be."""
        if any(score.status is not Status.OK for score in scores):
            return FAILURE_FITNESS
        return self.fitness(scores) - self.caution(scores)

    def price(self, num_states: int, num_statements: int) -> float:
        """What a program of so many states and statements pays."""
        settings = self.settings
        return settings.state_price * num_states + settings.statement_price * num_statements


def add_score(own: dict[tuple[str, int], Score], score: Score) -> None:
    """Adds the next logged score of one program to its earlier ones, by task and seed.

    A program that failed and has a later score had brought down its worker and was tried again: that is what
    counts. A seed counts once, though two programs may have been scaled to the same one.
    """
    if any(other.status is not Status.OK for other in own.values()):
        own.clear()
    own.setdefault((score.task, score.seed), score)

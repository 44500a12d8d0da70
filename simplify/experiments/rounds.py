"""Experiments: which of some changes costs nothing, found by training them beside the original.

In a round all changes are trained on the same fresh seeds as the original, 8 at first; those that are neither
accepted nor rejected by then go on. The round ends when one is accepted. A change must lose no more than the
margin against the original, so that the margin bounds what all changes together lose; nor against the
program it changes, so that what one change gained is not spent by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.scores import Status, check_ratio
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.results.records import MAX_SEEDS, Stage
from lion_search.simplify.experiments.ablations import Ablation
from lion_search.simplify.experiments.trainer import Trainer, difference, mean_level
from lion_search.simplify.experiments.trials import Evidence, TrialSettings, Verdict, look

MOST_IN_A_ROUND = 64
_SCALE_SEEDS = 8
_MAX_SCALE = 4.0**6


@dataclass(frozen=True, slots=True)
class Tried(Ablation):
    """An ablation that was tried.

    Attributes:
        round: in which round, from 0.
        first_seed: the first of the seeds it was trained on; the others follow.
        evidence: what came of it.
    """

    round: int
    first_seed: int
    evidence: Evidence


class Experiments:
    """Makes rounds of experiments with one program, and counts what was tried.

    Args:
        original: what every change is compared with.
        trainer: where programs are trained.
        settings: how sure to be.
    """

    def __init__(self, original: Program, trainer: Trainer, settings: TrialSettings) -> None:
        self.tried: list[Tried] = []
        self._original, self._trainer, self._settings = original, trainer, settings
        self._round = self._next_seed = 0

    @property
    def is_spent(self) -> bool:
        """Whether no more may be tried."""
        seeds_left = MAX_SEEDS - _SCALE_SEEDS - self._next_seed
        return len(self.tried) >= self._settings.max_tries or seeds_left < self._settings.looks[-1]

    def round(self, current: Program, ablations: Sequence[Ablation]) -> Tried | None:
        """Tries ablations of a program, at most as many as may still be tried: the first ones.

        Args:
            current: the program.
            ablations: of it.

        Returns:
            The first of those accepted, in the order given; ``None`` if none is.

        Raises:
            OutOfTimeError: the time was over first; what was found so far is in ``tried``.
        """
        references = {functional_hash(p): p for p in (self._original, current)}
        left = min(MOST_IN_A_ROUND, self._settings.max_tries - len(self.tried))
        trials = [_Trial(a, [[] for _ in references]) for a in ablations[:left]]
        number, self._round = self._round, self._round + 1
        (first_seed,) = Stage.SIMPLIFICATION.seeds(1, self._next_seed)
        try:
            self._look_on(list(references.values()), trials)
        finally:
            done = [trial.tried(number, first_seed) for trial in trials if trial.evidence]
            self.tried += done
        return next((t for t in done if t.evidence.verdict is Verdict.ACCEPTED), None)

    def _look_on(self, references: list[Program], trials: Sequence[_Trial]) -> None:
        """Looks again and again, on more seeds, until one is accepted or none is left."""
        before = 0
        for count in self._settings.looks:
            going_on = [t for t in trials if t.is_open]
            if not going_on or any(t.is_accepted for t in trials):
                return
            seeds = Stage.SIMPLIFICATION.seeds(count - before, self._next_seed)
            self._next_seed += count - before
            scores = self._trainer.train([*references, *(t.ablation.program for t in going_on)], seeds)
            for trial, own in zip(going_on, scores[len(references) :], strict=True):
                for differences, other in zip(trial.differences, scores, strict=False):
                    differences += [difference(*pair) for pair in zip(own, other, strict=True)]
                trial.evidence = look(trial.differences, self._settings)
            before = count


@dataclass(slots=True)
class _Trial:
    """An ablation under trial.

    Attributes:
        ablation: which.
        differences: in fitness, seed by seed so far, to the original and to what is changed.
        evidence: what they say; ``None`` before the first look.
    """

    ablation: Ablation
    differences: list[list[float]]
    evidence: Evidence | None = None

    def tried(self, number: int, first_seed: int) -> Tried:
        """What came of it, in a round of a number and from a seed on."""
        assert self.evidence is not None
        own = self.ablation
        return Tried(own.kind, own.what, own.program, number, first_seed, self.evidence)

    @property
    def is_open(self) -> bool:
        return self.evidence is None or self.evidence.verdict is Verdict.OPEN

    @property
    def is_accepted(self) -> bool:
        return self.evidence is not None and self.evidence.verdict is Verdict.ACCEPTED


def find_scale(program: Program, trainer: Trainer, settings: TrialSettings) -> float:
    """What the update should be multiplied by for experiments: a power of two, 1 if none is clearly better.

    A program may come from other tasks, and an experiment with one that hardly moves says nothing.

    Raises:
        OutOfTimeError: the time was over first.
    """
    seeds = _last_seeds(_SCALE_SEEDS)
    losses: dict[float, float] = {}

    def loss(scale: float) -> float:
        if scale not in losses:
            scaled = replace(trainer, scale=scale)
            losses[scale] = mean_level(scaled.train([program], seeds)[0])
        return losses[scale]

    best = 1.0
    for factor in (4.0, 0.25, 2.0, 0.5):
        while 1 / _MAX_SCALE <= best * factor <= _MAX_SCALE and loss(best * factor) < loss(best):
            best *= factor
    return best if loss(1.0) - loss(best) > settings.margin else 1.0


def why_untrained(program: Program, trainer: Trainer, settings: TrialSettings) -> str:
    """Why experiments with a program would show nothing; empty if it trains.

    It must do better than weights that stay as they are, by more than the margin.

    Raises:
        OutOfTimeError: the time was over first.
    """
    still = Program((), (), (0.0,))
    own, none = trainer.train([program, still], _last_seeds(_SCALE_SEEDS))
    for score in (s for scores in (*own, *none) for s in scores if s.loss is not None and s.loss < 0):
        try:
            check_ratio(score.task, score.loss or 0.0, "a training")
        except TaskError as error:
            return str(error)
    gains = [difference(*pair) for pair in zip(own, none, strict=True)]
    if sum(gains) / len(gains) > settings.margin:
        return ""
    failed = next((s for scores in own for s in scores if s.status is not Status.OK), None)
    return f"{failed.status}: {failed.reason}" if failed else "no better than weights that stay as they are"


def _last_seeds(count: int) -> range:
    """Seeds of no round."""
    return Stage.SIMPLIFICATION.seeds(count, MAX_SEEDS - count)

"""The funnel: larger and larger tasks, on which most of what a small proxy preferred falls behind.

At each rung the constants of all programs and baselines are tuned with the same effort, from those of the
rung before: the right learning rate and decay move with size. A program that is a baseline with other
constants lends it these where they are better, and does not pass: luck in tuning is no discovery. Then all
are trained on the same fresh seeds. A program goes on if it is shown to be ahead of each baseline that it
must beat: tuned AdamW, and the best known optimizer that takes no more memory
(:mod:`lion_search.selection.verdicts`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.program import Program
from lion_search.dsl.settings import PositiveInt, Settings
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline
from lion_search.proxy_tasks.scores import (
    Part,
    Score,
    describe_failure,
    first_failure,
    gains,
    required_mean_losses,
    standard_error,
)
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Individual, Stage
from lion_search.results.store import Store
from lion_search.selection.constants import LEAST_TRAININGS, best_of, tune_constants
from lion_search.selection.known import as_baseline
from lion_search.selection.logged import S, train_logged
from lion_search.selection.verdicts import Lead, is_clearly_behind, lead, looks

ADAMW = "adamw"
"""Which all programs must beat."""
MOST_SEEDS = 1000
"""Of a rung: each has so many of the funnel's seeds for itself."""


class RungSettings(Settings):
    """A step of the funnel: who is ahead of the baselines there goes on."""

    tasks: Annotated[list[str], Field(min_length=1)]
    """References of larger tasks; fitness is the mean over them."""
    entrants: PositiveInt = 3
    """So many programs of each niche enter at most."""
    tuning: Literal[0] | Annotated[int, Field(ge=LEAST_TRAININGS)] = 52
    """Trainings on each task that are spent on the constants of each program and of each baseline."""
    seeds: Annotated[int, Field(ge=4, le=MOST_SEEDS)] = 16
    """Fresh seeds on which they are compared; a program that is clearly behind gets one or a few."""
    confidence: Annotated[float, Field(ge=0.5, lt=1.0)] = 0.9
    """Probability with which a program must be ahead to pass."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A program that enters a rung.

    Attributes:
        niche: its title.
        individual: what it was in the search.
        program: with the constants that it has there.
    """

    niche: str
    individual: Individual
    program: Program

    @property
    def num_states(self) -> int:
        """State arrays that matter."""
        return canonicalise(self.program).num_states


@dataclass(frozen=True, slots=True)
class Placing:
    """What a rung says of a program.

    Attributes:
        entrant: with the constants that were tuned here.
        num_seeds: on how many it was compared.
        leads: over each baseline that it must beat, by the baseline's name.
        failure: how a training failed, if one did.
        known: the baseline of these that it is, with other constants, if it is one.
        has_passed: whether it goes on.
    """

    entrant: Entrant
    num_seeds: int
    leads: Mapping[str, Lead]
    failure: Score | None
    known: str | None
    has_passed: bool

    @property
    def least_lead(self) -> float:
        """Over the baseline that is hardest to beat; minus infinity for a failure."""
        return -math.inf if self.failure is not None else min(own.mean for own in self.leads.values())

    def verdict(self) -> str:
        """Whether it goes on and why, for people."""
        if self.failure is not None:
            return describe_failure(self.failure)
        if self.has_passed:
            return "ahead"
        if self.known is not None:
            return f"is {self.known}, with other constants"
        name = min(self.leads, key=lambda name: self.leads[name].mean)
        return f"{'behind' if self.leads[name].mean < 0 else 'not shown to be ahead of'} tuned {name}"


@dataclass(frozen=True, slots=True)
class RungResult:
    """What a rung says.

    Attributes:
        settings: of the rung.
        placings: the best first.
        baselines: by name, with the constants that were tuned here.
    """

    settings: RungSettings
    placings: tuple[Placing, ...]
    baselines: Mapping[str, Baseline]

    @property
    def passed(self) -> list[Entrant]:
        """Those that go on, the best first."""
        return [placing.entrant for placing in self.placings if placing.has_passed]


def must_beat(num_states: int, baselines: Mapping[str, Baseline]) -> list[str]:
    """The baselines that a program must beat: AdamW, and the best of those that take no more memory.

    Args:
        num_states: its state arrays.
        baselines: by name, with their losses on one task.
    """
    no_larger = [name for name in baselines if _num_states(name) <= num_states]
    best = min(no_larger, key=lambda name: baselines[name].validation_loss, default=ADAMW)
    return list(dict.fromkeys((ADAMW, best)))


def _num_states(family: str) -> int:
    middle = {name: range_.value(0.5) for name, range_ in FAMILIES[family].ranges.items()}
    return canonicalise(FAMILIES[family].program(**middle)).num_states


def climb(
    store: Store,
    pool: Pool,
    number: int,
    settings: RungSettings,
    entrants: Sequence[Entrant],
    baselines: Mapping[str, Baseline],
) -> RungResult:
    """Tunes and compares programs on a rung's tasks; logs all trainings and repeats none.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        number: of the rung, from 0.
        settings: of the rung, tasks by their names.
        entrants: the programs.
        baselines: by name, AdamW among them, with the constants and losses that they have on one task.

    Raises:
        TaskError: a baseline does not train there.
    """
    rivals = {e.individual.id: must_beat(e.num_states, baselines) for e in entrants}
    tuned = partial(tune_on_rung, store, pool, settings)
    own = {name: tuned(b) for name, b in baselines.items() if any(name in r for r in rivals.values())}
    entrants = [replace(entrant, program=tuned(entrant.program)) for entrant in entrants]
    copies = [copy for entrant in entrants if (copy := as_baseline(entrant.program)) is not None]
    for name, baseline in own.items():
        points = [copy.hyperparameters for copy in copies if copy.name == name]
        lent = [replace(baseline, form="program", hyperparameters=point) for point in points]
        own[name] = best_of(store, pool, [baseline, *lent], settings.tasks)
    placings = _compare(_Seeds(store, pool, number, settings), entrants, own, rivals)
    placings.sort(key=lambda p: (p.has_passed, p.num_seeds, p.least_lead), reverse=True)
    return RungResult(settings, tuple(placings), own)


def tune_on_rung(store: Store, pool: Pool, settings: RungSettings, subject: S) -> S:
    """An optimizer with constants that are tuned on a rung's tasks, at the effort that all get there."""
    found = settings.tuning and tune_constants(store, pool, subject, settings.tasks, settings.tuning)
    return found or subject


@dataclass(frozen=True, slots=True)
class _Seeds:
    """The seeds on which a rung compares."""

    store: Store
    pool: Pool
    number: int
    settings: RungSettings

    def train(
        self, subjects: Sequence[Program | Baseline], start: int, stop: int, ids: Sequence[int] = ()
    ) -> list[list[Score]]:
        """The scores of each on some of the seeds; ``ids`` are the individuals that programs were."""
        seeds = Stage.FUNNEL.seeds(stop - start, self.number * MOST_SEEDS + start)
        tasks = self.settings.tasks
        return train_logged(self.store, self.pool, Stage.FUNNEL, subjects, tasks, Part.VALIDATION, seeds, ids)


def _compare(
    seeds: _Seeds,
    entrants: Sequence[Entrant],
    baselines: Mapping[str, Baseline],
    rivals: Mapping[int, Sequence[str]],
) -> list[Placing]:
    """Trains programs on more and more seeds beside the baselines, until they are clearly behind."""
    count = seeds.settings.seeds
    trained = dict(zip(baselines, seeds.train([*baselines.values()], 0, count), strict=True))
    for scores in trained.values():
        required_mean_losses(scores)
    noise = _noise(trained[ADAMW])
    left: list[tuple[Entrant, list[Score]]] = [(entrant, []) for entrant in entrants]
    placings = []
    for start, stop in pairwise([0, *looks(count)]):
        ids = [entrant.individual.id for entrant, _ in left]
        found = seeds.train([entrant.program for entrant, _ in left], start, stop, ids)
        still = []
        for (entrant, before), new in zip(left, found, strict=True):
            own = [*before, *new]
            beside = {name: trained[name] for name in rivals[entrant.individual.id]}
            placing = _placing(entrant, own, beside, stop, seeds.settings, noise)
            if placing is None:
                still.append((entrant, own))
            else:
                placings.append(placing)
        left = still
    return placings


def _placing(
    entrant: Entrant,
    scores: Sequence[Score],
    rivals: Mapping[str, Sequence[Score]],
    num_seeds: int,
    settings: RungSettings,
    noise: float,
) -> Placing | None:
    """What the scores so far say of a program; ``None`` if more seeds are needed."""
    if (failed := first_failure(scores)) is not None:
        return Placing(entrant, num_seeds, {}, failed, None, has_passed=False)
    differences = {name: gains(scores, own) for name, own in rivals.items()}
    leads = {name: lead(own, settings.confidence) for name, own in differences.items()}
    is_last = num_seeds == settings.seeds
    if not is_last and not any(is_clearly_behind(own, noise) for own in differences.values()):
        return None
    copy = as_baseline(entrant.program)
    known = copy.name if copy is not None and copy.name in rivals else None
    has_passed = is_last and known is None and all(own.bound > 0 for own in leads.values())
    return Placing(entrant, num_seeds, leads, None, known, has_passed)


def _noise(scores: Sequence[Score]) -> float:
    """Standard deviation of the difference of two trainings of an optimizer with different seeds."""
    mean = required_mean_losses(scores)
    ideal = [replace(score, loss=mean[score.task]) for score in scores]
    own = gains(scores, ideal)
    return standard_error(own) * math.sqrt(2 * len(own))

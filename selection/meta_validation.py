"""Meta-validation: the best program of each slice of a search, trained on a larger task of the same kind.

What a search ranks by only rises. On the larger task the best rises with it as long as what is found carries
over, and falls behind once the search fits its own tasks: they part. They are said to have parted where an
earlier best is shown to be ahead of the last one there: on the same seeds the lower confidence bound of its
lead is above zero, the error of 5 % divided by the number of earlier programs. Of several such the one
furthest ahead is named. Of several repeats those that part late, or never, are the ones to choose from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean
from typing import Annotated

from pydantic import Field

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.settings import PositiveInt, Settings
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.scores import (
    Part,
    Score,
    first_failure,
    gains,
    required_mean_losses,
    standard_error,
)
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.curves import CurvePoint
from lion_search.results.ranking import Ranked
from lion_search.results.records import BASELINE_SUBJECT, Stage
from lion_search.results.store import Store
from lion_search.selection.logged import evaluate_logged
from lion_search.selection.verdicts import Lead, lead

LEAST_FITNESS = -1.0
"""What a program counts on a seed where it fails."""
ERROR = 0.05


class MetaValidationSettings(Settings):
    """The best program of each slice of the search is trained on larger tasks."""

    tasks: Annotated[list[str], Field(min_length=1)]
    """References of larger tasks of the same kind; fitness is the mean over them."""
    every: PositiveInt = 1000
    """So many programs are a slice."""
    seeds: Annotated[int, Field(ge=4, le=1000)] = 8
    """Fresh seeds on which the best of all slices are trained."""
    stop: bool = False
    """Whether the search ends with the first slice after which the best on larger tasks is an earlier one."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The best of a search at the end of a slice.

    Attributes:
        num_programs: of the search by then.
        best_id: the first individual of the program.
        judged: its fitness as the search knew it then, less caution and prices.
        fitness: on the larger tasks.
        standard_error: of that, over seeds.
    """

    num_programs: int
    best_id: int
    judged: float
    fitness: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class MetaValidation:
    """What the slices came to on the larger tasks.

    Attributes:
        tasks: the larger tasks.
        num_seeds: on how many seeds.
        slices: in the order of the search.
        parted_after: programs of the slice whose best is shown to be ahead of the last one's; ``None``: none.
        lead: of that.
        repeats: for each repeat, where there are several, after how many programs it parted; ``None``: not.
    """

    tasks: tuple[str, ...]
    num_seeds: int
    slices: tuple[Slice, ...]
    parted_after: int | None
    lead: Lead | None
    repeats: tuple[int | None, ...] = ()

    def prefer_late(self, ranked: Sequence[Ranked]) -> list[Ranked]:
        """Programs in an order: first those of the repeat that parts last."""
        parted = [math.inf if after is None else after for after in self.repeats]
        return sorted(ranked, key=lambda row: -parted[row.individual.repeat]) if parted else list(ranked)


def meta_validate(
    store: Store,
    pool: Pool,
    points: Sequence[CurvePoint],
    of_repeats: Sequence[Sequence[CurvePoint]],
    baselines: Mapping[str, Baseline],
    num_seeds: int,
) -> MetaValidation:
    """Trains the best of each slice, unless the log has it.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        points: the best at the end of each slice.
        of_repeats: the best of each repeat, where there are several.
        baselines: AdamW for each larger task.
        num_seeds: on how many seeds.

    Raises:
        TaskError: AdamW does not train there.
    """
    forms = {}
    for point in (*points, *chain.from_iterable(of_repeats)):
        individual = store.individual(point.best_id)
        assert individual is not None
        forms[point.best_id] = canonicalise(parse(individual.program))
    subjects: dict[tuple[str, str], Subject] = {(BASELINE_SUBJECT, t): b for t, b in baselines.items()}
    subjects |= {(form.hash, task): form.program() for form in forms.values() for task in baselines}
    ids = {form.hash: number for number, form in forms.items()}
    seeds = Stage.META_VALIDATION.seeds(num_seeds)
    scores = evaluate_logged(store, pool, Stage.META_VALIDATION, subjects, Part.VALIDATION, seeds, ids)
    adamw = [score for task in baselines for score in scores[BASELINE_SUBJECT, task]]
    required_mean_losses(adamw)
    fitness = {
        number: _by_seed([score for task in baselines for score in scores[form.hash, task]], adamw, num_seeds)
        for number, form in forms.items()
    }

    def slices(points: Sequence[CurvePoint]) -> tuple[Slice, ...]:
        own = [(point, fitness[point.best_id]) for point in points]
        return tuple(Slice(p.num_programs, p.best_id, p.judged, fmean(f), standard_error(f)) for p, f in own)

    def parted_after(points: Sequence[CurvePoint]) -> tuple[int | None, Lead | None]:
        place, by = parting([fitness[point.best_id] for point in points])
        return None if place is None else points[place].num_programs, by

    repeats = tuple(parted_after(own)[0] for own in of_repeats)
    return MetaValidation(tuple(baselines), num_seeds, slices(points), *parted_after(points), repeats)


def _by_seed(scores: Sequence[Score], adamw: Sequence[Score], num_seeds: int) -> list[float]:
    if first_failure(scores) is not None:
        return [LEAST_FITNESS] * num_seeds
    return [max(LEAST_FITNESS, own) for own in gains(scores, adamw)]


def parting(fitness: Sequence[Sequence[float]]) -> tuple[int | None, Lead | None]:
    """The slice whose best is shown to be ahead of the last one's, and its lead.

    Args:
        fitness: for each slice that of its best, seed by seed, on the same seeds.
    """
    *earlier, last = fitness or [[]]
    num_others = len({tuple(own) for own in (*earlier, last)}) - 1
    found: tuple[int | None, Lead | None] = (None, None)
    most = 0.0
    for place, own in enumerate(earlier):
        by = lead([a - b for a, b in zip(own, last, strict=True)], 1 - ERROR / max(1, num_others))
        if not math.isnan(by.bound) and by.bound > 0 and by.mean > most:
            found, most = (place, by), by.mean
    return found

"""A small tuning of a program's own constants: a search finds structure, and constants only in passing.

Each round draws new points near the best so far, nearer than the round before. A new point moves about half
of the constants: by a factor, or a number between 0 and 1, such as an average's weight, in its odds, so that
0.9 and 0.99 are as far apart as 0.1 and 0.01. New points are looked at on few seeds, and the best of them
ranked beside the best so far on more, all of that round, so that luck does not carry over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.selection.logged import S, fitness_logged, in_canonical_form, log_name

WIDTHS = (1.0, 0.7, 0.5, 0.3)
"""Standard deviation of a round's moves, of the logarithm of a factor or of odds."""
NUM_POINTS = 12
NUM_RANKED = 4
"""So many of a round's new points are ranked."""
NUM_KEPT = 3
"""The best of a round, which go on to the next."""
LEAST_TRAININGS, TRAININGS = 26, 416
"""On each task, for one round with a seed a point, and for what a run spends on a finalist."""
DIGITS = 3
"""Of new constants, or of their distance to 1 if that is smaller."""


def tune_constants(
    store: Store, pool: Pool, subject: S, reference: Mapping[str, Baseline], trainings: int = TRAININGS
) -> S | None:
    """Tunes the constants of a program or a baseline on validation data; logs all trainings.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        subject: any checked program, or a baseline.
        reference: an optimizer for each task; trained on the same seeds, so that tasks can be averaged.
        trainings: at most so many on each task, ``LEAST_TRAININGS`` or more.

    Returns:
        It with the best constants, a program in canonical form; ``None`` if nothing better than those it has
        was found.
    """
    start = in_canonical_form(subject)
    if not any(constants(start)):
        return None
    widths = WIDTHS if trainings >= len(WIDTHS) * LEAST_TRAININGS else WIDTHS[: trainings // LEAST_TRAININGS]
    num_seeds = trainings // len(widths) // LEAST_TRAININGS
    kept = [start]
    for number, width in enumerate(widths):
        seeds = Stage.TUNING.seeds(3 * num_seeds, number * 3 * num_seeds)
        points = neighbours(kept, width, np.random.default_rng(number))
        points = _best(store, pool, points, reference, seeds[:num_seeds])[:NUM_RANKED]
        kept = _best(store, pool, [*kept, *points], reference, seeds[num_seeds:])[:NUM_KEPT] or kept
    return None if kept[0] == start else kept[0]


def _best(
    store: Store, pool: Pool, points: Sequence[S], reference: Mapping[str, Baseline], seeds: range
) -> list[S]:
    """Those that train on all seeds, the best first."""
    subjects = {log_name(point): in_canonical_form(point) for point in points}
    found = fitness_logged(store, pool, Stage.TUNING, subjects, reference, seeds, {})
    trained = [name for name, own in found.items() if own.failure is None]
    return [subjects[name] for name in sorted(trained, key=lambda name: found[name][:2], reverse=True)]


def constants(subject: Program | Baseline) -> list[float]:
    """The constants of a program or a baseline, in their order."""
    if isinstance(subject, Baseline):
        return [value for _, value in subject.hyperparameters]
    return [arg for s in subject.statements for arg in s.args if not isinstance(arg, str)]


def _with_constants(subject: S, values: Sequence[float]) -> S:
    left = iter(values)
    if isinstance(subject, Baseline):
        own = tuple((name, next(left)) for name, _ in subject.hyperparameters)
        return cast(S, replace(subject, hyperparameters=own))
    statements = (
        replace(s, args=tuple(arg if isinstance(arg, str) else next(left) for arg in s.args))
        for s in subject.statements
    )
    return cast(S, replace(subject, statements=tuple(statements)))


def neighbours(best: Sequence[S], width: float, rng: np.random.Generator) -> list[S]:
    """New points near the best; all have the form of the first, zeros stay zeros and signs stay."""
    points = []
    for number in range(NUM_POINTS):
        centre = best[number % len(best)]
        moves = width * rng.standard_normal(len(constants(centre)))
        moves *= rng.random(len(moves)) < 0.5
        moved = [_moved(c, m) for c, m in zip(constants(centre), moves, strict=True)]
        points.append(_with_constants(centre, moved))
    return points


def _moved(constant: float, by: float) -> float:
    if by == 0:
        return constant
    if not 0 < constant < 1:
        return _rounded(constant * math.exp(by))
    odds = constant / (1 - constant) * math.exp(by)
    return _rounded(odds / (1 + odds)) if odds < 1 else 1 - _rounded(1 / (1 + odds))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")

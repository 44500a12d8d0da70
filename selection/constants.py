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

import numpy as np

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.selection.logged import fitness_logged

WIDTHS = (1.0, 0.7, 0.5, 0.3)
"""Standard deviation of a round's moves, of the logarithm of a factor or of odds."""
NUM_POINTS = 12
NUM_RANKED = 4
"""So many of a round's new points are ranked."""
NUM_KEPT = 3
"""The best of a round, which go on to the next."""
NUM_FIRST_SEEDS, NUM_RANKING_SEEDS = 4, 8
DIGITS = 3
"""Of new constants, or of their distance to 1 if that is smaller."""


def tune_constants(
    store: Store, pool: Pool, program: Program, baselines: Mapping[str, Baseline]
) -> Program | None:
    """Tunes the constants of a program on validation data; logs all trainings.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        program: any checked program.
        baselines: tuned AdamW for each task; trained on the same seeds.

    Returns:
        Its canonical form with the best constants; ``None`` if nothing better than those it has was found.
    """
    start = canonicalise(program).program()
    if not any(constants(start)):
        return None
    kept = [start]
    for number, width in enumerate(WIDTHS):
        seeds = Stage.TUNING.seeds(
            NUM_FIRST_SEEDS + NUM_RANKING_SEEDS, number * (NUM_FIRST_SEEDS + NUM_RANKING_SEEDS)
        )
        points = neighbours(kept, width, np.random.default_rng(number))
        points = _best(store, pool, points, baselines, seeds[:NUM_FIRST_SEEDS])[:NUM_RANKED]
        ranked = _best(store, pool, [*kept, *points], baselines, seeds[NUM_FIRST_SEEDS:])
        kept = ranked[:NUM_KEPT] or kept
    return None if kept[0] == start else kept[0]


def _best(
    store: Store, pool: Pool, points: Sequence[Program], baselines: Mapping[str, Baseline], seeds: range
) -> list[Program]:
    """Those that train on all seeds, the best first."""
    forms = {(form := canonicalise(point)).hash: form.program() for point in points}
    found = fitness_logged(store, pool, Stage.TUNING, forms, baselines, seeds, {})
    trained = [hash_ for hash_, own in found.items() if own.failure is None]
    return [forms[hash_] for hash_ in sorted(trained, key=lambda hash_: found[hash_][:2], reverse=True)]


def constants(program: Program) -> list[float]:
    """The constants of a program, in their order."""
    return [arg for s in program.statements for arg in s.args if not isinstance(arg, str)]


def _with_constants(program: Program, values: Sequence[float]) -> Program:
    left = iter(values)
    statements = (
        replace(s, args=tuple(arg if isinstance(arg, str) else next(left) for arg in s.args))
        for s in program.statements
    )
    return replace(program, statements=tuple(statements))


def neighbours(best: Sequence[Program], width: float, rng: np.random.Generator) -> list[Program]:
    """New points near the best; all have the form of the first, zeros stay zeros and signs stay."""
    points = []
    for number in range(NUM_POINTS):
        centre = best[number % len(best)]
        moves = width * rng.standard_normal(len(constants(centre)))
        moves *= rng.random(len(moves)) < 0.5
        points.append(
            _with_constants(centre, [_moved(c, m) for c, m in zip(constants(centre), moves, strict=True)])
        )
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

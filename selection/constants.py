"""A small tuning of an optimizer's own constants: a search finds structure, and constants only in passing.

Each round draws new points near the best so far, nearer than the round before. A new point moves about half
of the constants: by a factor, or a number between 0 and 1, such as an average's weight, in its odds, so that
0.9 and 0.99 are as far apart as 0.1 and 0.01. New points are looked at on few seeds, and the best of them
ranked beside the best so far on more, all of that round, so that luck does not carry over.

Where the constants are from another task, as in a benchmark, a round goes before that looks at learning
rates and decays a hundred times smaller and larger, the rest as it is; and more trainings are more points
first, and more seeds only then (measured: docs/benchmark.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import Generic, NamedTuple, cast

import numpy as np

from lion_search.dsl.export.hyperparameters import WEIGHT_DECAY, make_rule
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.export.setting import with_values
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.reference_options import join_options, split_options
from lion_search.proxy_tasks.scores import Part, level, mean_losses
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import MAX_SEEDS, Stage
from lion_search.results.store import Store
from lion_search.selection.logged import S, in_canonical_form, log_name, train_logged

WIDTHS = (1.0, 0.7, 0.5, 0.3)
"""Standard deviation of a round's moves, of the logarithm of a factor or of odds."""
NUM_POINTS = 12
NUM_RANKED = 4
"""So many of a round's new points are ranked."""
BROADEST = 4
"""So many times as many of both there are at most where constants are tuned from afar."""
NUM_KEPT = 3
"""The best of a round, which go on to the next."""
LEAST_TRAININGS, TRAININGS = 26, 416
"""On each task, for one round with a seed a point, and for what a run spends on a finalist."""
DIGITS = 3
"""Of new constants, or of their distance to 1 if that is smaller."""
SPREAD = 100.0
"""The largest factor of a learning rate or decay in the round that looks far."""
FORM_SEEDS = 16
"""On which the tuned forms of an optimizer are compared."""
SPREAD_NAMES = (RATE, "adam_learning_rate", "constant_rate", WEIGHT_DECAY)
"""What that round changes: a second rate of optax's ``muon``, and one that has no schedule, among them."""

Propose = Callable[[Sequence[S], np.random.Generator, int], list[S]]
"""So many new points of a round, from the best so far."""


def tune_constants(
    store: Store, pool: Pool, subject: S, tasks: Collection[str], trainings: int = TRAININGS
) -> S | None:
    """Tunes the constants of an optimizer on validation data; logs all trainings.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        subject: any checked program, a baseline, or the reference of an optax optimizer.
        tasks: names; a point is as good as the mean over them of its loss, as fitness compares losses.
        trainings: at most so many on each task, ``LEAST_TRAININGS`` or more.

    Returns:
        It with the best constants, a program in canonical form; ``None`` if nothing better than those it has
        was found.
    """
    start = in_canonical_form(subject)
    best = _tuned(store, pool, start, tasks, trainings, _NARROWING, broadest=1).best
    return None if best == start else best


class Tuned(NamedTuple, Generic[S]):
    """What :func:`tune_from_afar` gives.

    Attributes:
        best: a program in canonical form.
        tried: all points, as the log calls them.
    """

    best: S
    tried: frozenset[str]


def tune_from_afar(store: Store, pool: Pool, forms: Sequence[S], task: str, trainings: int) -> Tuned[S]:
    """Tunes constants that are from another task; the first round looks far.

    Args:
        store: open for writing.
        pool: evaluates jobs.
        forms: of one optimizer; each is tuned, and the better goes on.
        task: its name.
        trainings: of each form, as for :func:`tune_constants`.
    """
    rounds: list[Propose[S]] = [spread, *_NARROWING]
    found = [
        _tuned(store, pool, in_canonical_form(form), [task], trainings, rounds, broadest=BROADEST)
        for form in forms
    ]
    best = best_of(store, pool, [own.best for own in found], [task])
    return Tuned(best, frozenset().union(*(own.tried for own in found)))


def best_of(store: Store, pool: Pool, forms: Sequence[S], tasks: Collection[str]) -> S:
    """The best of some tuned forms of an optimizer, on seeds that tuned none of them.

    Args:
        store: open for writing.
        pool: evaluates jobs.
        forms: one or more.
        tasks: names.
    """
    if len(forms) == 1:
        return forms[0]
    seeds = Stage.TUNING.seeds(FORM_SEEDS, MAX_SEEDS - FORM_SEEDS)
    return (_best(store, pool, forms, tasks, seeds) or forms)[0]


def efforts(most: int) -> list[int]:
    """The numbers of trainings, up to one, that :func:`tune_from_afar` makes full use of."""
    num_rounds = len(WIDTHS) + 1
    rounds = [*range(2, num_rounds), *(num_rounds * k for k in range(1, BROADEST))]
    some = [LEAST_TRAININGS * count for count in rounds]
    step = LEAST_TRAININGS * num_rounds * BROADEST
    return [*(own for own in some if own <= most), *range(step, most + 1, step)]


def _tuned(
    store: Store,
    pool: Pool,
    start: S,
    tasks: Collection[str],
    trainings: int,
    rounds: Sequence[Propose[S]],
    *,
    broadest: int,
) -> Tuned[S]:
    kept, tried = [start], {log_name(start)}
    if not any(constants(start)):
        return Tuned(start, frozenset(tried))
    rounds = rounds[: trainings // LEAST_TRAININGS]
    times = trainings // len(rounds) // LEAST_TRAININGS
    breadth = min(times, broadest)
    num_seeds = times // breadth
    for number, propose in enumerate(rounds):
        seeds = Stage.TUNING.seeds(3 * num_seeds, number * 3 * num_seeds)
        points = propose(kept, np.random.default_rng(number), breadth * NUM_POINTS)
        tried.update(map(log_name, points))
        points = _best(store, pool, points, tasks, seeds[:num_seeds])[: breadth * NUM_RANKED]
        kept = _best(store, pool, [*kept, *points], tasks, seeds[num_seeds:])[:NUM_KEPT] or kept
    return Tuned(kept[0], frozenset(tried))


def _best(store: Store, pool: Pool, points: Sequence[S], tasks: Collection[str], seeds: range) -> list[S]:
    """Those that train on all seeds, the best first."""
    subjects = list({log_name(point): in_canonical_form(point) for point in points}.values())
    scores = train_logged(store, pool, Stage.TUNING, subjects, [*tasks], Part.VALIDATION, seeds)
    found = []
    for subject, own in zip(subjects, scores, strict=True):
        if (losses := mean_losses(own)) is not None:
            found.append((fmean(level(task, loss) for task, loss in losses.items()), subject))
    return [subject for _, subject in sorted(found, key=lambda pair: pair[0])]


def constants(subject: Subject) -> list[float]:
    """The constants of an optimizer, in their order; of a reference those numbers that are not whole."""
    if isinstance(subject, Program):
        return [arg for s in subject.statements for arg in s.args if not isinstance(arg, str)]
    return [*_by_name(subject).values()]


def _with_constants(subject: S, values: Sequence[float]) -> S:
    if not isinstance(subject, Program):
        return _with_named(subject, dict(zip(_by_name(subject), values, strict=True)))
    left = iter(values)
    statements = (
        replace(s, args=tuple(arg if isinstance(arg, str) else next(left) for arg in s.args))
        for s in subject.statements
    )
    return cast(S, replace(subject, statements=tuple(statements)))


def _by_name(subject: Subject) -> Mapping[str, float]:
    """The constants of an optimizer by what they are called."""
    if isinstance(subject, Program):
        return make_rule(subject).defaults
    if isinstance(subject, Baseline):
        return dict(subject.hyperparameters)
    _, options = split_options(subject)
    return {name: float(text) for name, text in options.items() if _is_number(text)}


def _is_number(text: str) -> bool:
    """Whether an option is a number that can be moved: whole ones count things."""
    try:
        return math.isfinite(float(text)) and not text.lstrip("+-").isdigit()
    except ValueError:
        return False


def _with_named(subject: S, values: Mapping[str, float]) -> S:
    """An optimizer, some of whose constants have other values."""
    if isinstance(subject, Program):
        return cast(S, in_canonical_form(with_values(make_rule(subject), values)))
    if isinstance(subject, Baseline):
        own = tuple((name, values.get(name, value)) for name, value in subject.hyperparameters)
        return cast(S, replace(subject, hyperparameters=own))
    name, options = split_options(subject)
    return cast(S, join_options(name, {**options, **values}))


def spread(best: Sequence[S], rng: np.random.Generator, count: int = NUM_POINTS) -> list[S]:
    """Points around the first whose learning rates and decays lie evenly over four orders of magnitude."""
    from scipy.stats import qmc

    start = best[0]
    own = {name: value for name, value in _by_name(start).items() if name in SPREAD_NAMES}
    points = []
    for rate, decay in SPREAD ** (2 * qmc.Halton(2, scramble=True, rng=rng).random(count) - 1):
        moved = {n: _rounded(v * float(decay if n == WEIGHT_DECAY else rate)) for n, v in own.items()}
        points.append(_with_named(start, moved))
    return points


def neighbours(width: float, best: Sequence[S], rng: np.random.Generator, count: int = NUM_POINTS) -> list[S]:
    """New points near the best; all have the form of the first, zeros stay zeros and signs stay."""
    points = []
    for number in range(count):
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


_NARROWING = tuple(partial(neighbours, width) for width in WIDTHS)

"""Tuning of baselines with equal effort: a spread of points, rounds near the best, the last few again.

The spread is a scrambled Halton sequence, which covers a range more evenly than independent draws. A round's
new points are one of the best so far, or every other time their mean, which averages their luck, with normal
noise in places of the logarithmic ranges; the noise shrinks from round to round. New points are looked at on
few seeds, and the best of them ranked beside the best so far on more, all on seeds of that round, so that
luck does not carry over. Where the best then lie at an end of a range, it is widened there, and more rounds
follow, until they lie inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from lion_search.dsl.shown import plural, significant
from lion_search.proxy_tasks.baseline import EDGE, FAMILIES, Baseline, Family
from lion_search.proxy_tasks.rivals import RIVALS, Rival
from lion_search.proxy_tasks.scores import (
    Score,
    Status,
    describe_failure,
    mean_losses,
    standard_error,
)
from lion_search.proxy_tasks.tasks import TaskError

TUNABLE: Mapping[str, Family | Rival] = MappingProxyType({**FAMILIES, **RIVALS})
"""What can be tuned. ``lion-search baseline`` tunes the families."""
NUM_SAMPLES = 96
NUM_NEIGHBOURS = 48
NUM_RANKED = 10
NUM_FINALISTS = 6
"""The best of a round, which go on to the next and to the end."""
WIDTHS = (0.15, 0.11, 0.08, 0.06, 0.04, 0.03)
"""Standard deviation of a round's noise, in a range's width."""
NUM_FIRST_SEEDS, NUM_RANKING_SEEDS = 1, 4
_NUM_SEEDS = NUM_FIRST_SEEDS + NUM_RANKING_SEEDS
ROUND_SEEDS = tuple(tuple(range(start, start + _NUM_SEEDS)) for start in range(100_000, 107_000, 1_000))
"""Of the spread and of each round: the first for a first look, the others for ranking."""
WIDENED_WIDTHS = (0.12, 0.12, 0.06)
"""Of the rounds after a range was widened, because the best lay at its end. The first goes all over what
was added."""
MOST_WIDENINGS = 4
WIDENING = 0.5
"""How far an end is moved out at once, in a range's first width."""
WIDENED_SEEDS = tuple(
    tuple(range(start, start + _NUM_SEEDS))
    for start in range(107_000, 107_000 + 100 * MOST_WIDENINGS * len(WIDENED_WIDTHS), 100)
)
_ALL_WIDTHS = (*WIDTHS, *WIDENED_WIDTHS * MOST_WIDENINGS)
_ALL_SEEDS = (*ROUND_SEEDS, *WIDENED_SEEDS)
TUNING_SEEDS = tuple(seed for seeds in _ALL_SEEDS for seed in seeds)
FINALIST_SEEDS = tuple(range(110_000, 110_032))
"""Seeds of tuning; searches, selection and tests use others."""

EFFORT: Mapping[str, int] = MappingProxyType(
    {
        "version": 3,
        "samples_per_form": NUM_SAMPLES,
        "rounds": len(WIDTHS),
        "neighbours_per_round": NUM_NEIGHBOURS,
        "seeds_per_sample": NUM_FIRST_SEEDS,
        "ranked_per_round": NUM_RANKED,
        "seeds_per_ranked": NUM_RANKING_SEEDS,
        "finalists": NUM_FINALISTS,
        "finalist_seeds": len(FINALIST_SEEDS),
    }
)
"""What is spent on each form of each optimizer whose best lie within its ranges. Files without a version were
tuned by the spread alone; those of version 2 with fewer points on more seeds."""
NUM_TRAININGS = (
    (NUM_SAMPLES + len(WIDTHS) * NUM_NEIGHBOURS) * NUM_FIRST_SEEDS
    + (1 + len(WIDTHS)) * NUM_RANKED * NUM_RANKING_SEEDS
    + NUM_FINALISTS * len(FINALIST_SEEDS)
)
"""The same, in trainings."""

Train = Callable[[Sequence[Baseline], Sequence[int]], Sequence[Sequence[Score]]]
"""The scores of points on seeds, on a task's validation data; fewer for a point that fails."""


class Tuned(NamedTuple):
    """What tuning gives.

    Attributes:
        baseline: the best.
        trials: a record of all trials: form, round (0 for the spread), number of seeds, loss, point.
        edge: hyper-parameters of which the best lie at an end of their range, however far it was widened.
    """

    baseline: Baseline
    trials: list[dict[str, Any]]
    edge: tuple[str, ...]


def tune(
    train: Train, task: str, name: str, *, seed: int = 0, report: Callable[[str], None] = lambda line: None
) -> Tuned:
    """Tunes one optimizer on one task, in each of its forms.

    Args:
        train: does the trainings.
        task: its name, for messages.
        name: a key of ``TUNABLE``.
        seed: of the random search.
        report: is told what happens.

    Raises:
        TaskError: no finalist trains on all seeds; the message says how one failed.
    """
    trials: list[dict[str, Any]] = []
    found: list[tuple[Baseline, tuple[str, ...]]] = []
    for form in TUNABLE[name].forms:
        tuning = _Tuning(train, name, form, seed)
        finalists = tuning.run()
        trials += tuning.trials
        found.append((finalists[0], tuple(at_an_end(finalists, tuning.bounds))))
        best, edge = min(found, key=lambda pair: pair[0].validation_loss)
        shown = significant(best.validation_loss) if math.isfinite(best.validation_loss) else "none trains"
        report(f"{name} as {form}: {plural(len(trials), 'trial')}; best so far {shown}")
    if not math.isfinite(best.validation_loss):
        raise TaskError(f"task '{task}': no sample of {name} trains without failure: {tuning.failure}")
    return Tuned(best, trials, edge)


Bounds = Mapping[str, tuple[float, float]]
"""Of hyper-parameters by name, the places between which they are tuned."""


@dataclass(slots=True)
class _Tuning:
    """One form of one optimizer, being tuned.

    Attributes:
        trials: all so far.
        bounds: of the hyper-parameters.
        failure: how the first training failed that did.
    """

    train: Train
    name: str
    form: str
    seed: int
    trials: list[dict[str, Any]] = field(default_factory=list)
    bounds: dict[str, tuple[float, float]] = field(init=False)
    failure: str = ""

    def __post_init__(self) -> None:
        self.bounds = dict.fromkeys(TUNABLE[self.name].ranges, (0.0, 1.0))

    def run(self) -> list[Baseline]:
        """The finalists, the best first; only those of the spread where none of it trains."""
        new = [Baseline(self.name, self.form, point) for point in sample_points(self.name, self.seed)]
        kept = self._round(0, new, [])
        if not math.isfinite(kept[0].validation_loss):
            return kept
        for number in range(1, len(ROUND_SEEDS)):
            kept = self._round(number, neighbours(kept, number, self.seed), kept)
        for number in range(len(ROUND_SEEDS), len(_ALL_SEEDS)):
            added: Bounds = {}
            if (number - len(ROUND_SEEDS)) % len(WIDENED_WIDTHS) == 0:
                ends = at_an_end(kept, self.bounds)
                if not ends:
                    break
                added = widened(self.name, self.bounds, ends)
                self.bounds |= {key: _joined(self.bounds[key], new) for key, new in added.items()}
            kept = self._round(number, neighbours(kept, number, self.seed, self.bounds, added), kept)
        return _best(self._measured(kept, FINALIST_SEEDS), len(kept))

    def _round(self, number: int, new: Sequence[Baseline], kept: Sequence[Baseline]) -> list[Baseline]:
        """The best of the new points and of those kept so far, ranked on the seeds of a round."""
        first_seeds, seeds = _ALL_SEEDS[number][:NUM_FIRST_SEEDS], _ALL_SEEDS[number][NUM_FIRST_SEEDS:]
        first = self._measured(new, first_seeds)
        ranked = self._measured([*kept, *_best(first, NUM_RANKED - len(kept))], seeds)
        self.trials += [_trial(point, number, len(first_seeds)) for point in first]
        self.trials += [_trial(point, number, len(seeds)) for point in ranked]
        return _best(ranked, NUM_FINALISTS)

    def _measured(self, points: Sequence[Baseline], seeds: Sequence[int]) -> list[Baseline]:
        """Each point with its mean over seeds and standard error; infinite if any training failed."""
        scores = self.train(points, seeds)
        failed = next((s for own in scores for s in own if s.status is not Status.OK), None)
        if failed is not None and not self.failure:
            self.failure = describe_failure(failed)
        means = [_mean(own) for own in scores]
        return [
            replace(point, validation_loss=mean, standard_error=error)
            for point, (mean, error) in zip(points, means, strict=True)
        ]


def sample_points(name: str, seed: int) -> list[tuple[tuple[str, float], ...]]:
    """The points of an optimizer's spread, the same for all of its forms."""
    from scipy.stats import qmc

    ranges = TUNABLE[name].ranges
    places = qmc.Halton(len(ranges), scramble=True, rng=np.random.default_rng(seed)).random(NUM_SAMPLES)
    return [_values(name, row) for row in places]


def neighbours(
    best: Sequence[Baseline],
    number: int,
    seed: int,
    bounds: Bounds = MappingProxyType({}),
    added: Bounds = MappingProxyType({}),
) -> list[Baseline]:
    """New points of a round, from 1: near the best and their mean, within bounds; all over what was added."""
    name, form = best[0].name, best[0].form
    low, high = np.array([bounds.get(key, (0.0, 1.0)) for key in TUNABLE[name].ranges]).T
    rng = np.random.default_rng((seed, number))
    places = np.array([_places(point) for point in best])
    centres = places[rng.integers(len(best), size=NUM_NEIGHBOURS)]
    centres[::2] = places.mean(axis=0)
    moved = centres + _ALL_WIDTHS[number - 1] * rng.standard_normal(centres.shape)
    moved = moved.clip(low, high)
    for column, key in enumerate(TUNABLE[name].ranges):
        if key in added:
            moved[:, column] = rng.uniform(*added[key], NUM_NEIGHBOURS)
    return [Baseline(name, form, _values(name, row)) for row in moved]


def at_an_end(best: Sequence[Baseline], bounds: Bounds) -> dict[str, int]:
    """Hyper-parameters of which the best point and most of the best lie at an end that could be moved.

    One point alone may lie there by chance, where a hyper-parameter changes little.

    Returns:
        By name -1 for the lower end of the places, 1 for the upper.
    """
    ranges = TUNABLE[best[0].name].ranges
    places = np.array([_places(point) for point in best])
    ends = {}
    for (key, allowed), own in zip(ranges.items(), places.T, strict=True):
        (low, high), (least, most) = bounds[key], allowed.limits
        median = float(np.median(own))
        if low > least and own[0] <= low + EDGE and median <= low + 2 * EDGE:
            ends[key] = -1
        elif high < most and own[0] >= high - EDGE and median >= high - 2 * EDGE:
            ends[key] = 1
    return ends


def widened(name: str, bounds: Bounds, ends: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    """What is added to the bounds of those hyper-parameters, beyond that end."""
    added = {}
    for key, side in ends.items():
        (low, high), (least, most) = bounds[key], TUNABLE[name].ranges[key].limits
        added[key] = (max(low - WIDENING, least), low) if side < 0 else (high, min(high + WIDENING, most))
    return added


def _joined(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return min(*one, *other), max(*one, *other)


def _places(point: Baseline) -> list[float]:
    ranges = TUNABLE[point.name].ranges
    return [ranges[key].place(value) for key, value in point.hyperparameters]


def _values(name: str, places: Iterable[float]) -> tuple[tuple[str, float], ...]:
    ranges = TUNABLE[name].ranges
    return tuple((k, r.value(place)) for (k, r), place in zip(ranges.items(), places, strict=True))


def _best(points: Sequence[Baseline], count: int) -> list[Baseline]:
    return sorted(points, key=lambda p: p.validation_loss)[:count]


def _trial(point: Baseline, number: int, num_seeds: int) -> dict[str, Any]:
    loss = float(f"{point.validation_loss:.6g}") if math.isfinite(point.validation_loss) else None
    return {
        "form": point.form,
        "round": number,
        "seeds": num_seeds,
        "loss": loss,
        **dict(point.hyperparameters),
    }


def _mean(scores: Sequence[Score]) -> tuple[float, float]:
    means = mean_losses(scores)
    if means is None:
        return math.inf, math.nan
    return next(iter(means.values())), standard_error([s.loss for s in scores if s.loss is not None])

"""Tuning of baselines with equal effort: a spread of points, rounds near the best, the last few again.

The spread is a scrambled Halton sequence, which covers a range more evenly than independent draws. A round's
new points are one of the best so far, or every other time their mean, which averages their luck, with normal
noise in places of the logarithmic ranges; the noise shrinks from round to round. New points are looked at on
few seeds, and the best of them ranked beside the best so far on more, all on seeds of that round, so that
luck does not carry over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from lion_search.dsl.shown import plural, significant
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline
from lion_search.proxy_tasks.run_jobs import evaluate_all
from lion_search.proxy_tasks.scores import Part, Score, mean_losses, standard_error
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.workers.pool import Pool

NUM_SAMPLES = 60
NUM_NEIGHBOURS = 16
NUM_RANKED = 10
NUM_FINALISTS = 6
"""The best of a round, which go on to the next and to the end."""
WIDTHS = (0.15, 0.11, 0.08, 0.06, 0.04, 0.03)
"""Standard deviation of a round's noise, in a range's width."""
NUM_FIRST_SEEDS = 4
ROUND_SEEDS = tuple(tuple(range(start, start + 12)) for start in range(100_000, 107_000, 1_000))
"""Of the spread and of each round: the first few for a first look, the others for ranking."""
TUNING_SEEDS = tuple(seed for seeds in ROUND_SEEDS for seed in seeds)
FINALIST_SEEDS = tuple(range(110_000, 110_032))
"""Seeds of tuning; searches, selection and tests use others."""

EFFORT: Mapping[str, int] = MappingProxyType(
    {
        "version": 2,
        "samples_per_form": NUM_SAMPLES,
        "rounds": len(WIDTHS),
        "neighbours_per_round": NUM_NEIGHBOURS,
        "seeds_per_sample": NUM_FIRST_SEEDS,
        "ranked_per_round": NUM_RANKED,
        "seeds_per_ranked": len(ROUND_SEEDS[0]) - NUM_FIRST_SEEDS,
        "finalists": NUM_FINALISTS,
        "finalist_seeds": len(FINALIST_SEEDS),
    }
)
"""What is spent on each form of each optimizer. Files without a version were tuned by the spread alone."""


def tune(
    pool: Pool, task: str, name: str, *, seed: int = 0, report: Callable[[str], None] = lambda line: None
) -> tuple[Baseline, list[dict[str, Any]]]:
    """Tunes one optimizer on one task, in each of its forms.

    Args:
        pool: evaluates the trainings.
        task: its reference.
        name: a key of ``FAMILIES``.
        seed: of the random search.
        report: is told what happens.

    Returns:
        The best, and a record of all trials: form, round (0 for the spread), number of seeds, loss, point.

    Raises:
        TaskError: no finalist trains on all seeds.
    """
    trials: list[dict[str, Any]] = []
    candidates: list[Baseline] = []
    for form in FAMILIES[name].forms:
        new, kept = [Baseline(name, form, point) for point in sample_points(name, seed)], list[Baseline]()
        for number, seeds in enumerate(ROUND_SEEDS):
            first = _measured(pool, task, new, seeds[:NUM_FIRST_SEEDS])
            ranked = [*kept, *_best(first, NUM_RANKED - len(kept))]
            ranked = _measured(pool, task, ranked, seeds[NUM_FIRST_SEEDS:])
            trials += [_trial(point, number, NUM_FIRST_SEEDS) for point in first]
            trials += [_trial(point, number, len(seeds) - NUM_FIRST_SEEDS) for point in ranked]
            kept = _best(ranked, NUM_FINALISTS)
            new = neighbours(kept, number + 1, seed)
        candidates += _measured(pool, task, kept, FINALIST_SEEDS)
        (best,) = _best(candidates, 1)
        loss = significant(best.validation_loss)
        report(f"{name} as {form}: {plural(len(trials), 'trial')}; best so far {loss}")
    if not math.isfinite(best.validation_loss):
        raise TaskError(f"task '{task}': no sample of {name} trains without failure")
    return best, trials


def sample_points(name: str, seed: int) -> list[tuple[tuple[str, float], ...]]:
    """The points of an optimizer's spread, the same for all of its forms."""
    from scipy.stats import qmc

    ranges = FAMILIES[name].ranges
    places = qmc.Halton(len(ranges), scramble=True, rng=np.random.default_rng(seed)).random(NUM_SAMPLES)
    return [_values(name, row) for row in places]


def neighbours(best: Sequence[Baseline], number: int, seed: int) -> list[Baseline]:
    """New points of a round, from 1: near the best and their mean, within ranges; none after the last."""
    if number > len(WIDTHS):
        return []
    name, form = best[0].name, best[0].form
    ranges = FAMILIES[name].ranges
    rng = np.random.default_rng((seed, number))
    places = np.array([[ranges[k].place(v) for k, v in point.hyperparameters] for point in best])
    centres = places[rng.integers(len(best), size=NUM_NEIGHBOURS)]
    centres[::2] = places.mean(axis=0)
    moved = centres + WIDTHS[number - 1] * rng.standard_normal(centres.shape)
    return [Baseline(name, form, _values(name, row)) for row in moved.clip(0, 1)]


def _values(name: str, places: Iterable[float]) -> tuple[tuple[str, float], ...]:
    ranges = FAMILIES[name].ranges
    return tuple((k, r.value(place)) for (k, r), place in zip(ranges.items(), places, strict=True))


def at_the_edge(baseline: Baseline) -> list[str]:
    """Hyper-parameters within a tenth of their logarithmic range from its end: the range may be too small."""
    ranges = FAMILIES[baseline.name].ranges
    return [k for k, v in baseline.hyperparameters if not 0.1 < ranges[k].place(v) < 0.9]


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


def _measured(pool: Pool, task: str, points: Sequence[Baseline], seeds: Sequence[int]) -> list[Baseline]:
    """Each point with its mean over seeds and standard error; infinite if any training failed."""
    scores = evaluate_all(pool, points, [task], Part.VALIDATION, seeds)
    means = [_mean(own) for own in scores]
    return [
        replace(point, validation_loss=mean, standard_error=error)
        for point, (mean, error) in zip(points, means, strict=True)
    ]


def _mean(scores: Sequence[Score]) -> tuple[float, float]:
    means = mean_losses(scores)
    if means is None:
        return math.inf, math.nan
    return next(iter(means.values())), standard_error([s.loss for s in scores if s.loss is not None])

"""Tuning of baselines with equal effort: a spread of points, then rounds near the best, on fresh seeds each.

The spread is a scrambled Halton sequence, which covers a range more evenly than independent draws. A round
takes the best few, and points that differ from the very best by normal noise, in places of the logarithmic
ranges; the noise shrinks from round to round. All are trained on seeds of the round, so that luck does not
carry over, and the last few once more for the loss that is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from lion_search.proxy_tasks.baseline import FAMILIES, Baseline
from lion_search.proxy_tasks.run_jobs import evaluate_all
from lion_search.proxy_tasks.scores import Part, Score, mean_losses, standard_error
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.workers.pool import Pool

NUM_SAMPLES = 60
NUM_NEIGHBOURS = 24
NUM_FINALISTS = 6
"""Those that go on from the spread to the first round, from round to round, and to the end."""
NUM_CENTRES = 4
"""The best so many get neighbours."""
WIDTHS = (0.2, 0.14, 0.1, 0.07)
"""Standard deviation of a round's noise, in a range's width."""
TUNING_SEEDS = tuple(range(100_000, 100_004))
ROUND_SEEDS = tuple(tuple(range(start, start + 8)) for start in range(101_000, 105_000, 1_000))
FINALIST_SEEDS = tuple(range(110_000, 110_032))
"""Seeds of tuning; searches, selection and tests use others."""

EFFORT: Mapping[str, int] = MappingProxyType(
    {
        "version": 2,
        "samples_per_form": NUM_SAMPLES,
        "seeds_per_sample": len(TUNING_SEEDS),
        "rounds": len(WIDTHS),
        "neighbours_per_round": NUM_NEIGHBOURS,
        "seeds_per_neighbour": len(ROUND_SEEDS[0]),
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
        The best, and a record of all trials: form, round (0 for the spread), loss, hyper-parameters.

    Raises:
        TaskError: no finalist trains on all seeds.
    """
    trials: list[dict[str, Any]] = []
    candidates: list[Baseline] = []
    for form in FAMILIES[name].forms:
        points = [Baseline(name, form, point) for point in sample_points(name, seed)]
        for number, seeds in enumerate((TUNING_SEEDS, *ROUND_SEEDS)):
            found = _measured(pool, task, points, seeds)
            trials += [_trial(point, number) for point in found]
            finalists = sorted(found, key=lambda p: p.validation_loss)[:NUM_FINALISTS]
            points = [*finalists, *neighbours(finalists, number + 1, seed)]
        candidates += _measured(pool, task, finalists, FINALIST_SEEDS)
        best = min(candidates, key=lambda c: c.validation_loss)
        report(f"{name} as {form}: {len(trials)} trials; best so far {best.validation_loss:.4f}")
    if not math.isfinite(best.validation_loss):
        raise TaskError(f"task '{task}': no sample of {name} trains without failure")
    return best, trials


def sample_points(name: str, seed: int) -> list[tuple[tuple[str, float], ...]]:
    """The points of an optimizer's spread, the same for all of its forms."""
    from scipy.stats import qmc

    ranges = FAMILIES[name].ranges
    places = qmc.Halton(len(ranges), scramble=True, rng=np.random.default_rng(seed)).random(NUM_SAMPLES)
    return [tuple((k, r.value(p)) for (k, r), p in zip(ranges.items(), row, strict=True)) for row in places]


def neighbours(best: Sequence[Baseline], number: int, seed: int) -> list[Baseline]:
    """New points of a round, from 1: the very best with noise, within their ranges; none after the last."""
    if number > len(WIDTHS):
        return []
    rng = np.random.default_rng((seed, number))
    centres = rng.integers(min(NUM_CENTRES, len(best)), size=NUM_NEIGHBOURS)
    return [_moved(best[centre], WIDTHS[number - 1], rng) for centre in centres]


def _moved(point: Baseline, width: float, rng: np.random.Generator) -> Baseline:
    ranges = FAMILIES[point.name].ranges
    moved = {k: ranges[k].place(v) + width * rng.standard_normal() for k, v in point.hyperparameters}
    values = tuple((k, ranges[k].value(min(1.0, max(0.0, place)))) for k, place in moved.items())
    return Baseline(point.name, point.form, values)


def at_the_edge(baseline: Baseline) -> list[str]:
    """Hyper-parameters within a tenth of their logarithmic range from its end: the range may be too small."""
    ranges = FAMILIES[baseline.name].ranges
    return [k for k, v in baseline.hyperparameters if not 0.1 < ranges[k].place(v) < 0.9]


def _trial(point: Baseline, number: int) -> dict[str, Any]:
    loss = float(f"{point.validation_loss:.6g}") if math.isfinite(point.validation_loss) else None
    return {"form": point.form, "round": number, "loss": loss, **dict(point.hyperparameters)}


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

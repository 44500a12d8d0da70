"""Tuning of baselines with equal effort: a spread of points, then the best of them again on fresh seeds.

The points are a scrambled Halton sequence, which covers a range more evenly than independent draws.
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
NUM_FINALISTS = 5
TUNING_SEEDS = tuple(range(100_000, 100_004))
FINALIST_SEEDS = tuple(range(110_000, 110_016))
"""Seeds of tuning; searches, selection and tests use others."""

EFFORT: Mapping[str, int] = MappingProxyType(
    {
        "samples_per_form": NUM_SAMPLES,
        "seeds_per_sample": len(TUNING_SEEDS),
        "finalists": NUM_FINALISTS,
        "finalist_seeds": len(FINALIST_SEEDS),
    }
)
"""What is spent on each form of each optimizer."""


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
        The best, and a record of all trials.

    Raises:
        TaskError: no finalist trains on all seeds.
    """
    trials: list[dict[str, Any]] = []
    candidates: list[Baseline] = []
    for form in FAMILIES[name].forms:
        points = [Baseline(name, form, point) for point in sample_points(name, seed)]
        found = [replace(p, validation_loss=m) for p, (m, _) in _measured(pool, task, points, TUNING_SEEDS)]
        trials += [_trial(point) for point in found]
        finalists = sorted(found, key=lambda p: p.validation_loss)[:NUM_FINALISTS]
        candidates += [
            replace(point, validation_loss=mean, standard_error=error)
            for point, (mean, error) in _measured(pool, task, finalists, FINALIST_SEEDS)
        ]
        best = min(candidates, key=lambda c: c.validation_loss)
        report(f"{name} as {form}: {NUM_SAMPLES} samples; best so far {best.validation_loss:.4f}")
    if not math.isfinite(best.validation_loss):
        raise TaskError(f"task '{task}': no sample of {name} trains without failure")
    return best, trials


def sample_points(name: str, seed: int) -> list[tuple[tuple[str, float], ...]]:
    """The points of an optimizer's search, the same for all of its forms."""
    from scipy.stats import qmc

    ranges = FAMILIES[name].ranges
    places = qmc.Halton(len(ranges), scramble=True, rng=np.random.default_rng(seed)).random(NUM_SAMPLES)
    return [tuple((k, r.value(p)) for (k, r), p in zip(ranges.items(), row, strict=True)) for row in places]


def at_the_edge(baseline: Baseline) -> list[str]:
    """Hyper-parameters within a tenth of their logarithmic range from its end: the range may be too small."""
    ranges = FAMILIES[baseline.name].ranges
    return [k for k, v in baseline.hyperparameters if not 0.1 < ranges[k].place(v) < 0.9]


def _trial(point: Baseline) -> dict[str, Any]:
    loss = point.validation_loss if math.isfinite(point.validation_loss) else None
    return {"form": point.form, "loss": loss, **dict(point.hyperparameters)}


def _measured(
    pool: Pool, task: str, points: Sequence[Baseline], seeds: Sequence[int]
) -> list[tuple[Baseline, tuple[float, float]]]:
    """Each point with its mean over seeds and standard error; infinite if any training failed."""
    scores = evaluate_all(pool, points, [task], Part.VALIDATION, seeds)
    return [(point, _mean(own)) for point, own in zip(points, scores, strict=True)]


def _mean(scores: Sequence[Score]) -> tuple[float, float]:
    means = mean_losses(scores)
    if means is None:
        return math.inf, math.nan
    return next(iter(means.values())), standard_error([s.loss for s in scores if s.loss is not None])

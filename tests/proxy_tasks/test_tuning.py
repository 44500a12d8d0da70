"""Tuning: equal effort for every form, finalists on fresh seeds, the best wins."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lion_search.proxy_tasks.baseline import FAMILIES, Baseline
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample, Subject
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.tuning import (
    EFFORT,
    FINALIST_SEEDS,
    NUM_FINALISTS,
    NUM_SAMPLES,
    TUNING_SEEDS,
    at_the_edge,
    sample_points,
    tune,
)
from lion_search.proxy_tasks.workers.pool import InlinePool
from lion_search.proxy_tasks.workers.work import work

Formula = Callable[[Baseline, int], float | None]
"""The loss of a point with a seed; ``None`` for a divergence."""


class Trainings:
    """Losses from a formula, by a worker's own logic; notes the jobs. At a negative loss it raises."""

    def __init__(self, formula: Formula) -> None:
        self._formula = formula
        self.jobs: list[Job] = []

    def __call__(self, jobs: Sequence[Job]) -> list[JobResult]:
        self.jobs += jobs
        return work(jobs, self._train)

    def _train(self, subjects: Sequence[Subject], samples: Sequence[Sample]) -> list[list[Score]]:
        (point,) = subjects
        assert isinstance(point, Baseline)
        scores: list[Score] = []
        for task, seed, part in samples:
            loss = self._formula(point, seed)
            if loss is None:
                return [[*scores, Score(task, part, seed, Status.DIVERGED, None, 1, 0.0, "boom")]]
            if loss < 0:
                raise RuntimeError("too slow")
            scores.append(Score(task, part, seed, Status.OK, loss, 1, 0.0))
        return [scores]


def jobs_of(name: str) -> list[Job]:
    """What tuning asks for, with the losses of a bowl."""
    trainings = Trainings(bowl)
    tune(InlinePool(lambda: trainings), "mine", name)
    return trainings.jobs


def rate_of(point: Baseline) -> float:
    return dict(point.hyperparameters)["learning_rate"]


def bowl(point: Baseline, seed: int) -> float | None:
    """Best at a learning rate of 0.02; optax is worse by 0.05; a seed's own part is up to 0.01."""
    return abs(math.log(rate_of(point) / 0.02)) + 0.1 + 0.01 * (seed % 2) + 0.05 * (point.form == "optax")


def tuned(formula: Formula = bowl, name: str = "adamw", **options: Any) -> tuple[Baseline, list[dict]]:
    return tune(InlinePool(lambda: Trainings(formula)), "mine", name, **options)


def test_the_best_point_and_form_win() -> None:
    best, trials = tuned()
    lowest = min((t for t in trials if t["form"] == "program"), key=lambda t: t["loss"])
    assert best.form == "program"
    assert {**dict(best.hyperparameters), "form": "program", "loss": lowest["loss"]} == lowest


def test_the_other_form_wins_where_it_is_better() -> None:
    best, _ = tuned(lambda point, seed: 0.1 + rate_of(point) * (1 if point.form == "program" else 0.1))
    assert best.form == "optax"


def test_a_tuned_loss_is_that_of_fresh_seeds() -> None:
    """The best of sixty is partly luck, which is measured away."""

    def lucky(point: Baseline, seed: int) -> float:
        is_fresh = seed in FINALIST_SEEDS
        return rate_of(point) + (0.5 if is_fresh else 0.1) + 0.01 * (seed % 2)

    best, trials = tuned(lucky, "sgd")
    lowest = min(t["learning_rate"] for t in trials)
    assert rate_of(best) == lowest
    assert best.validation_loss == pytest.approx(lowest + 0.505)
    assert best.standard_error == pytest.approx(0.01 * math.sqrt(0.25 * 16 / 15 / 16))


def test_a_finalist_that_is_best_on_fresh_seeds_beats_the_best_on_tuning_seeds() -> None:
    """On fresh seeds the finalists' order is the reverse."""

    def reversed_later(point: Baseline, seed: int) -> float:
        return 1 / rate_of(point) if seed in FINALIST_SEEDS else rate_of(point)

    best, trials = tuned(reversed_later, "sgd")
    rates = sorted(t["learning_rate"] for t in trials)
    assert rate_of(best) == rates[NUM_FINALISTS - 1]


def test_every_form_gets_the_same_effort_on_the_same_points() -> None:
    jobs = jobs_of("adamw")
    for form in FAMILIES["adamw"].forms:
        asked = [
            (job.samples, job.subject.hyperparameters)
            for job in jobs
            if isinstance(job.subject, Baseline) and job.subject.form == form
        ]
        tuning, finals = asked[:NUM_SAMPLES], asked[NUM_SAMPLES:]
        assert [p for _, p in tuning] == sample_points("adamw", 0)
        assert len(finals) == NUM_FINALISTS
        for group, seeds in ((tuning, TUNING_SEEDS), (finals, FINALIST_SEEDS)):
            expected = tuple(("mine", seed, Part.VALIDATION) for seed in seeds)
            assert {samples for samples, _ in group} == {expected}


def test_the_effort_that_is_recorded_is_what_is_spent() -> None:
    sizes = Counter(len(job.samples) for job in jobs_of("sgd"))
    assert sizes == {
        EFFORT["seeds_per_sample"]: EFFORT["samples_per_form"],
        EFFORT["finalist_seeds"]: EFFORT["finalists"],
    }


def test_finalists_are_the_best_of_all_points() -> None:
    _, trials = tuned(name="sgd")
    best = sorted(trials, key=lambda t: t["loss"])[:NUM_FINALISTS]
    finalists = [rate_of(job.subject) for job in jobs_of("sgd")[NUM_SAMPLES:]]  # type: ignore[arg-type]
    assert finalists == [t["learning_rate"] for t in best]


def test_seeds_of_tuning_and_of_finalists_are_apart() -> None:
    assert not set(TUNING_SEEDS) & set(FINALIST_SEEDS)
    assert len(set(FINALIST_SEEDS)) == len(FINALIST_SEEDS) == 16


@pytest.mark.parametrize("failure", [None, -1.0], ids=["diverged", "raised"])
def test_a_point_that_fails_never_wins(failure: float | None) -> None:
    """Not even on one seed of several, and however good its other losses are."""

    def unstable(point: Baseline, seed: int) -> float | None:
        if rate_of(point) > 0.01:
            return failure if seed == TUNING_SEEDS[-1] else 1e-6
        return bowl(point, seed)

    best, trials = tuned(unstable)
    assert rate_of(best) <= 0.01
    assert all((t["loss"] is None) == (t["learning_rate"] > 0.01) for t in trials)


def test_a_finalist_that_fails_on_a_fresh_seed_never_wins() -> None:
    def unstable(point: Baseline, seed: int) -> float | None:
        return None if rate_of(point) < 0.04 and seed == FINALIST_SEEDS[-1] else rate_of(point)

    best, trials = tuned(unstable, "sgd")
    assert sum(t["learning_rate"] < 0.04 for t in trials) < NUM_FINALISTS
    assert rate_of(best) == min(t["learning_rate"] for t in trials if t["learning_rate"] >= 0.04)


def test_where_nothing_trains_there_is_an_error() -> None:
    with pytest.raises(TaskError, match="task 'mine': no sample of sgd trains without failure"):
        tuned(lambda point, seed: None, "sgd")


def test_one_form_that_never_trains_leaves_the_other() -> None:
    best, trials = tuned(lambda point, seed: None if point.form == "program" else bowl(point, seed))
    assert best.form == "optax"
    assert math.isfinite(best.validation_loss)
    assert {t["form"]: t["loss"] is None for t in trials} == {"program": True, "optax": False}


def test_all_trials_are_recorded_with_their_mean_loss() -> None:
    _, trials = tuned(bowl, "lion")
    points = sample_points("lion", 0)
    assert len(trials) == len(points) == NUM_SAMPLES
    for trial, point in zip(trials, points, strict=True):
        expected = bowl(Baseline("lion", "program", point), 0)
        assert trial == {"form": "program", "loss": pytest.approx(expected + 0.005), **dict(point)}


def test_what_happens_is_told() -> None:
    lines: list[str] = []
    best, _ = tuned(report=lines.append)
    assert len(lines) == 2
    assert lines[0].startswith("adamw as program: 60 samples")
    assert lines[1] == f"adamw as optax: 60 samples; best so far {best.validation_loss:.4f}"


@pytest.mark.parametrize("name", FAMILIES)
def test_points_cover_their_ranges_evenly(name: str) -> None:
    """Each fifth of each range, on its logarithmic scale, holds a fifth of the points, or nearly."""
    points = sample_points(name, 0)
    assert len(points) == NUM_SAMPLES
    for key, allowed in FAMILIES[name].ranges.items():
        places = [allowed.place(dict(point)[key]) for point in points]
        assert min(places) >= -0.01
        assert max(places) <= 1.01
        counts = Counter(min(4, max(0, int(5 * place))) for place in places)
        assert len(counts) == 5
        assert max(counts.values()) - min(counts.values()) <= 6


def test_points_depend_on_the_seed_alone() -> None:
    assert sample_points("adamw", 1) == sample_points("adamw", 1) != sample_points("adamw", 2)


@pytest.mark.parametrize(
    ("place", "found"), [(0.0, True), (0.09, True), (0.11, False), (0.5, False), (0.89, False), (0.91, True)]
)
@pytest.mark.parametrize("key", ["learning_rate", "b1"])
def test_a_best_value_near_the_end_of_its_range_is_told(key: str, place: float, found: bool) -> None:
    """On the logarithmic scale, and for a beta on that of its distance from one."""
    ranges = FAMILIES["sgd"].ranges
    point = tuple((k, allowed.value(place if k == key else 0.5)) for k, allowed in ranges.items())
    assert at_the_edge(Baseline("sgd", "program", point)) == ([key] if found else [])

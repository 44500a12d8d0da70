"""Tuning: equal effort for every form, rounds near the best, finalists on fresh seeds, the best wins."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import pytest

from lion_search.proxy_tasks.baseline import FAMILIES, Baseline, at_the_edge
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample, Subject
from lion_search.proxy_tasks.run_jobs import evaluate_all
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.tuning import (
    EFFORT,
    FINALIST_SEEDS,
    NUM_FINALISTS,
    NUM_FIRST_SEEDS,
    NUM_NEIGHBOURS,
    NUM_RANKED,
    NUM_RANKING_SEEDS,
    NUM_SAMPLES,
    NUM_TRAININGS,
    ROUND_SEEDS,
    TUNING_SEEDS,
    WIDENED_SEEDS,
    WIDTHS,
    Train,
    at_an_end,
    neighbours,
    sample_points,
    tune,
    widened,
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


def train_with(trainings: Trainings) -> Train:
    """Trains points by them."""
    pool = InlinePool(lambda: trainings)
    return lambda points, seeds: evaluate_all(pool, points, ["mine"], Part.VALIDATION, seeds)


def jobs_of(name: str) -> list[Job]:
    """What tuning asks for, with the losses of a bowl."""
    trainings = Trainings(bowl)
    tune(train_with(trainings), "mine", name)
    return trainings.jobs


def rate_of(point: Baseline) -> float:
    return dict(point.hyperparameters)["learning_rate"]


def bowl_at(best: float) -> Formula:
    """Best at a learning rate; optax is worse by 0.05; a seed's own part is up to 0.01."""

    def loss(point: Baseline, seed: int) -> float:
        worse = 0.01 * (seed % 2) + 0.05 * (point.form == "optax")
        return abs(math.log(rate_of(point) / best)) + 0.1 + worse

    return loss


def bowl(point: Baseline, seed: int) -> float | None:
    """Best at a learning rate of 0.02, which is within the range, of 1 for gradient descent."""
    return bowl_at(1.0 if point.name == "sgd" else 0.02)(point, seed)


def tuned(formula: Formula = bowl, name: str = "adamw", **options: Any) -> tuple[Baseline, list[dict]]:
    best, trials, _ = tune(train_with(Trainings(formula)), "mine", name, **options)
    return best, trials


NUM_TRIALS = NUM_SAMPLES + NUM_RANKED + len(WIDTHS) * (NUM_NEIGHBOURS + NUM_RANKED)


def of_round(trials: list[dict], number: int, num_seeds: int = NUM_RANKING_SEEDS) -> list[dict]:
    """The points that were ranked, or looked at first, in a round."""
    return [t for t in trials if (t["round"], t["seeds"]) == (number, num_seeds)]


def test_the_best_point_and_form_win() -> None:
    best, trials = tuned()
    last = [t for t in of_round(trials, len(WIDTHS)) if t["form"] == "program"]
    lowest = min(last, key=lambda t: t["loss"])
    assert best.form == "program"
    assert dict(best.hyperparameters).items() <= lowest.items()


def test_rounds_come_nearer_to_the_best_point_than_the_spread() -> None:
    best, trials = tuned()
    spread = min(abs(math.log(t["learning_rate"] / 0.02)) for t in of_round(trials, 0))
    assert abs(math.log(rate_of(best) / 0.02)) < spread / 2


def test_the_other_form_wins_where_it_is_better() -> None:
    best, _ = tuned(lambda point, seed: 0.1 + rate_of(point) * (1 if point.form == "program" else 0.1))
    assert best.form == "optax"


def test_a_tuned_loss_is_that_of_fresh_seeds() -> None:
    """The best of many is partly luck, which is measured away."""

    def lucky(point: Baseline, seed: int) -> float:
        is_fresh = seed in FINALIST_SEEDS
        return rate_of(point) + (0.5 if is_fresh else 0.1) + 0.01 * (seed % 2)

    best, trials = tuned(lucky, "sgd")
    lowest = min(t["learning_rate"] for t in trials)
    assert rate_of(best) == lowest
    assert best.validation_loss == pytest.approx(lowest + 0.505)
    assert best.standard_error == pytest.approx(0.01 * math.sqrt(0.25 * 32 / 31 / 32))


def test_a_finalist_that_is_best_on_fresh_seeds_beats_the_best_on_tuning_seeds() -> None:
    """On fresh seeds the finalists' order is the reverse."""

    def reversed_later(point: Baseline, seed: int) -> float:
        return 1 / rate_of(point) if seed in FINALIST_SEEDS else rate_of(point)

    best, trials = tuned(reversed_later, "sgd")
    rates = sorted(t["learning_rate"] for t in of_round(trials, trials[-1]["round"]))
    assert rate_of(best) == rates[NUM_FINALISTS - 1]


def test_what_was_lucky_in_one_round_is_dropped_in_the_next() -> None:
    """Points of a high rate are best on the seeds of the spread alone."""

    def lucky(point: Baseline, seed: int) -> float:
        return 1 / rate_of(point) if seed in ROUND_SEEDS[0] else rate_of(point)

    best, trials = tuned(lucky, "sgd")
    kept = sorted((t["learning_rate"] for t in of_round(trials, 0)), reverse=True)[:NUM_FINALISTS]
    assert rate_of(best) < min(kept)


def test_every_form_gets_the_same_effort() -> None:
    """On the same first points, each round on seeds of its own."""
    jobs = jobs_of("adamw")
    for form in FAMILIES["adamw"].forms:
        asked = [
            (job.samples, job.subject.hyperparameters)
            for job in jobs
            if isinstance(job.subject, Baseline) and job.subject.form == form
        ]
        assert [p for _, p in asked[:NUM_SAMPLES]] == sample_points("adamw", 0)
        sizes = [size for new in (NUM_SAMPLES, *[NUM_NEIGHBOURS] * len(WIDTHS)) for size in (new, NUM_RANKED)]
        parts = [p for s in ROUND_SEEDS for p in (s[:NUM_FIRST_SEEDS], s[NUM_FIRST_SEEDS:])]
        for size, seeds in zip([*sizes, NUM_FINALISTS], [*parts, FINALIST_SEEDS], strict=True):
            group, asked = asked[:size], asked[size:]
            expected = tuple(("mine", seed, Part.VALIDATION) for seed in seeds)
            assert {samples for samples, _ in group} == {expected}
            assert len(group) == size
        assert not asked


def test_the_effort_that_is_recorded_is_what_is_spent() -> None:
    sizes = Counter(len(job.samples) for job in jobs_of("sgd"))
    rounds = EFFORT["rounds"]
    assert sizes == {
        EFFORT["seeds_per_sample"]: EFFORT["samples_per_form"] + rounds * EFFORT["neighbours_per_round"],
        EFFORT["seeds_per_ranked"]: (1 + rounds) * EFFORT["ranked_per_round"],
        EFFORT["finalist_seeds"]: EFFORT["finalists"],
    }
    assert sum(size * count for size, count in sizes.items()) == NUM_TRAININGS


@pytest.mark.parametrize("name", FAMILIES)
def test_effort_is_the_same_for_all_families(name: str) -> None:
    """For each of their forms: AdamW has two."""
    num_trainings = sum(len(job.samples) for job in jobs_of(name))
    assert num_trainings == len(FAMILIES[name].forms) * sum(len(job.samples) for job in jobs_of("sgd"))


def test_the_best_of_a_round_are_ranked_again_beside_the_best_new_points_of_the_next() -> None:
    _, trials = tuned(name="sgd")
    for number in range(len(WIDTHS)):
        kept = sorted(of_round(trials, number), key=lambda t: t["loss"])[:NUM_FINALISTS]
        new = sorted(of_round(trials, number + 1, NUM_FIRST_SEEDS), key=lambda t: t["loss"])
        expected = [*kept, *new[: NUM_RANKED - NUM_FINALISTS]]
        found = of_round(trials, number + 1)
        assert [t["learning_rate"] for t in found] == [t["learning_rate"] for t in expected]


def centred(name: str, place: float = 0.5) -> Baseline:
    point = tuple((key, allowed.value(place)) for key, allowed in FAMILIES[name].ranges.items())
    return Baseline(name, "program", point)


@pytest.mark.parametrize("name", FAMILIES)
def test_neighbours_lie_a_rounds_width_around_the_mean_of_the_best(name: str) -> None:
    ranges = FAMILIES[name].ranges
    spreads = []
    for number in range(1, len(WIDTHS) + 1):
        found = neighbours([centred(name, 0.1), centred(name, 0.9)], number, 0)
        assert len(found) == NUM_NEIGHBOURS
        places = [ranges[key].place(value) for point in found[::2] for key, value in point.hyperparameters]
        spreads.append(math.sqrt(sum((place - 0.5) ** 2 for place in places) / len(places)))
    assert spreads == pytest.approx(WIDTHS, rel=0.4)


def test_every_other_neighbour_is_near_one_of_the_best() -> None:
    found = neighbours([centred("lion", 0.1), centred("lion", 0.9)], len(WIDTHS), 0)
    places = [FAMILIES["lion"].ranges["b1"].place(dict(point.hyperparameters)["b1"]) for point in found[1::2]]
    assert all(min(abs(place - 0.1), abs(place - 0.9)) < 5 * WIDTHS[-1] for place in places)
    assert min(places) < 0.5 < max(places)


@pytest.mark.parametrize("place", [0.0, 1.0])
def test_neighbours_stay_within_their_ranges(place: float) -> None:
    for point in neighbours([centred("lion", place)], 1, 0):
        for key, value in point.hyperparameters:
            assert -0.01 <= FAMILIES["lion"].ranges[key].place(value) <= 1.01


def test_seeds_of_spread_rounds_and_finalists_are_apart() -> None:
    seeds = (*ROUND_SEEDS, *WIDENED_SEEDS, FINALIST_SEEDS)
    assert len(set().union(*seeds)) == sum(map(len, seeds)) == (7 + 12) * 5 + 32
    assert len(ROUND_SEEDS) == 1 + len(WIDTHS)
    assert set(TUNING_SEEDS) == set().union(*ROUND_SEEDS, *WIDENED_SEEDS)


@pytest.mark.parametrize("failure", [None, -1.0], ids=["diverged", "raised"])
def test_a_point_that_fails_never_wins(failure: float | None) -> None:
    """Not even on one seed of several, and however good its other losses are."""
    rounds = (*ROUND_SEEDS, *WIDENED_SEEDS)
    bad = {seed for seeds in rounds for seed in (seeds[NUM_FIRST_SEEDS - 1], seeds[-1])}

    def unstable(point: Baseline, seed: int) -> float | None:
        if rate_of(point) > 0.01:
            return failure if seed in bad else 1e-6
        return bowl(point, seed)

    best, trials = tuned(unstable)
    assert rate_of(best) <= 0.01
    assert all((t["loss"] is None) == (t["learning_rate"] > 0.01) for t in trials)


def test_a_finalist_that_fails_on_a_fresh_seed_never_wins() -> None:
    """All but one fail."""
    failed: list[Baseline] = []

    def unstable(point: Baseline, seed: int) -> float | None:
        if seed == FINALIST_SEEDS[-1] and len(failed) < NUM_FINALISTS - 1:
            failed.append(point)
            return None
        return rate_of(point)

    best, _ = tuned(unstable, "sgd")
    assert len(failed) == NUM_FINALISTS - 1
    assert best.hyperparameters not in {point.hyperparameters for point in failed}


def test_where_nothing_trains_there_is_an_error() -> None:
    with pytest.raises(
        TaskError, match=r"no sample of sgd trains without failure: diverged on mine, seed 100000: boom$"
    ):
        tuned(lambda point, seed: None, "sgd")


def test_one_form_that_never_trains_leaves_the_other() -> None:
    best, trials = tuned(lambda point, seed: None if point.form == "program" else bowl(point, seed))
    assert best.form == "optax"
    assert math.isfinite(best.validation_loss)
    assert {(t["form"], t["loss"] is None) for t in trials} == {("program", True), ("optax", False)}


def test_all_trials_are_recorded_with_their_mean_loss() -> None:
    _, trials = tuned(bowl, "lion")
    points = sample_points("lion", 0)
    assert len(trials) == NUM_TRIALS
    for trial, point in zip(trials, points, strict=False):
        losses = [bowl_at(0.02)(Baseline("lion", "program", point), seed) for seed in ROUND_SEEDS[0]]
        loss = pytest.approx(fmean(losses[:NUM_FIRST_SEEDS]), rel=1e-5)
        assert trial == {"form": "program", "round": 0, "seeds": NUM_FIRST_SEEDS, "loss": loss, **dict(point)}


def test_what_happens_is_told() -> None:
    lines: list[str] = []
    best, _ = tuned(report=lines.append)
    assert len(lines) == 2
    assert lines[0].startswith(f"adamw as program: {NUM_TRIALS} trials")
    assert lines[1] == f"adamw as optax: {2 * NUM_TRIALS} trials; best so far {best.validation_loss:.4f}"


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


@pytest.mark.parametrize(("name", "best"), [("adamw", 9.0), ("adamw", 1e-4), ("sgd", 1e-4), ("lion", 0.02)])
def test_a_range_is_widened_until_the_best_lie_inside(name: str, best: float) -> None:
    """Ends of learning rates are at 0.6 and 0.002, at 0.1 and at 0.0005; Lion's best is within them."""
    found, trials, edge = tune(train_with(Trainings(bowl_at(best))), "mine", name)
    assert rate_of(found) == pytest.approx(best, rel=0.15)
    assert edge == ()
    assert (max(t["round"] for t in trials) > len(WIDTHS)) == (name != "lion")


def test_widening_has_an_end_and_then_it_is_told() -> None:
    _, trials, edge = tune(train_with(Trainings(bowl_at(1e12))), "mine", "sgd")
    assert edge == ("learning_rate",)
    assert max(t["round"] for t in trials) == len(WIDTHS) + len(WIDENED_SEEDS)


def points_at(*places: float) -> list[Baseline]:
    """Points of gradient descent, of which b1 lies at these places and all else in the middle."""
    ranges = FAMILIES["sgd"].ranges
    return [
        Baseline("sgd", "program", tuple((k, r.value(p if k == "b1" else 0.5)) for k, r in ranges.items()))
        for p in places
    ]


MIDDLE = {"learning_rate": (0.0, 1.0), "weight_decay": (0.0, 1.0)}


@pytest.mark.parametrize(
    ("places", "bounds", "found"),
    [
        ((0.02, 0.05, 0.3), (0.0, 1.0), -1),
        ((0.98, 0.95, 0.3), (0.0, 1.0), 1),
        ((0.02, 0.3, 0.4), (0.0, 1.0), None),
        ((0.3, 0.02, 0.05), (0.0, 1.0), None),
        ((0.02, 0.05, 0.3), (-0.5, 1.0), None),
        ((0.98, 0.95, 0.3), (0.0, FAMILIES["sgd"].ranges["b1"].limits[1]), None),
    ],
    ids=["low", "high", "by chance", "not the best", "widened", "no average at all"],
)
def test_an_end_counts_where_the_best_and_most_of_the_best_are(
    places: tuple[float, ...], bounds: tuple[float, float], found: int | None
) -> None:
    ends = at_an_end(points_at(*places), {**MIDDLE, "b1": bounds})
    assert ends == ({} if found is None else {"b1": found})


@pytest.mark.parametrize("name", FAMILIES)
def test_a_range_is_widened_no_further_than_values_have_a_meaning(name: str) -> None:
    """An average may become none, or one over 10,000 steps; a decay, a thousandth of its lowest."""
    for side in (-1, 1):
        bounds = dict.fromkeys(FAMILIES[name].ranges, (0.0, 1.0))
        for _ in range(4):
            added = widened(name, bounds, dict.fromkeys(bounds, side))
            bounds = {k: (min(bounds[k][0], new[0]), max(bounds[k][1], new[1])) for k, new in added.items()}
        for key, allowed in FAMILIES[name].ranges.items():
            value = allowed.value(bounds[key][(side + 1) // 2])
            if key.startswith("b"):
                assert value == pytest.approx(0.9999 if side < 0 else 0.0)
            elif (key, side) == ("weight_decay", -1):
                assert value == pytest.approx(allowed.low / 1000)
            else:
                assert value == pytest.approx(
                    (allowed.high, allowed.low)[side < 0] * (allowed.high / allowed.low) ** (2 * side),
                    rel=1e-3,
                )

"""The best of a search after so many trainings, from logs written by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from logs import Log, score

from lion_search.proxy_tasks.scores import Score, Status
from lion_search.results.curves import CurvePoint, best_of_slices, checkpoints, learning_curve
from lion_search.results.judge import Judge, JudgeSettings
from lion_search.results.ranking import rank
from lion_search.results.records import JUDGE_FACT, Evaluation, Individual, Outcome, Stage

NOTHING_OFF = JudgeSettings()
NUM_SEEDS = 16
BASELINE_LOSSES = [0.3 * (1 + 0.02 * (seed % 5 - 2)) for seed in range(NUM_SEEDS)]


def make_log(folder: Path, settings: JudgeSettings = NOTHING_OFF) -> Log:
    log = Log(folder / "log.db", {JUDGE_FACT: asdict(settings)})
    log.add_baseline(BASELINE_LOSSES)
    return log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return make_log(tmp_path)


def curve_of(log: Log, points: int, max_trainings: int | None = None) -> list[CurvePoint]:
    return learning_curve(log.store, points, max_trainings)


def best(log: Log, points: int, max_trainings: int | None = None) -> list[tuple[int, int]]:
    return [(point.trainings, point.best_id) for point in curve_of(log, points, max_trainings)]


# Where the points are.


@pytest.mark.parametrize(
    ("points", "maximum", "expected"), [(4, 100, (25, 50, 75, 100)), (100, 3, (1, 2, 3)), (3, 0, ())]
)
def test_checkpoints_are_evenly_spaced_and_end_at_the_maximum(
    points: int, maximum: int, expected: tuple[int, ...]
) -> None:
    assert checkpoints(points, maximum) == expected


@pytest.mark.parametrize(
    ("losses", "points", "maximum", "expected"),
    [
        ([[0.3], [0.2], [0.4], [0.1]], 4, None, [(1, 0), (2, 1), (3, 1), (4, 3)]),
        ([[0.3] * 2, [0.2] * 2, [0.1] * 2], 6, None, [(2, 0), (3, 0), (4, 1), (5, 1), (6, 2)]),
        ([[0.3], [0.2], [0.1]], 5, 10, [(2, 1), (3, 2)]),
        ([[0.3], [0.2], [0.1]], 1, 2, [(2, 1), (3, 2)]),
        ([[0.2], [0.2], [0.2]], 3, None, [(1, 0), (2, 0), (3, 0)]),
        ([[None]], 4, None, []),
        ([], 4, None, []),
    ],
    ids=[
        *("the best so far", "no more than was paid for", "a maximum that was not reached"),
        *("the end comes after the maximum", "the first of equals", "nothing trains", "only the baseline"),
    ],
)
def test_a_point_names_the_best_that_its_trainings_paid_for(
    log: Log, losses: list[list[float]], points: int, maximum: int | None, expected: list[tuple[int, int]]
) -> None:
    for own in losses:
        log.add("", [score(loss, seed) for seed, loss in enumerate(own)])
    assert best(log, points, maximum) == expected


def test_an_empty_log_has_no_points(tmp_path: Path) -> None:
    assert curve_of(Log(tmp_path / "empty.db"), 4) == []


# What compute is.


def test_hits_cost_nothing_and_are_counted_as_programs(log: Log) -> None:
    log.add("p0", [score(0.3)])
    for _ in range(3):
        log.add("p0", outcome=Outcome.SEEN, scored_id=0)
    log.add("p1", [score(0.4)])
    log.add("p1", outcome=Outcome.SAME_AS_PARENT, scored_id=4)
    assert [(p.trainings, p.num_programs, p.seconds) for p in curve_of(log, 2)] == [(1, 4, 0.5), (2, 6, 1.0)]


def test_a_reused_program_costs_nothing_and_may_be_the_best(log: Log) -> None:
    log.add("p0", [score(0.3)])
    reused = log.add("p1", [score(0.1)], Outcome.REUSED)
    log.add("p2", [score(0.2)])
    assert best(log, 2) == [(1, reused), (2, reused)]
    assert curve_of(log, 2)[-1].seconds == pytest.approx(1.0)


def test_other_update_scales_cost_trainings_and_are_never_the_best(log: Log) -> None:
    log.add("p0", [score(0.2)], others=[("p0 times 10", score(0.01)), ("p0 times 0.1", score(0.4))])
    (point,) = curve_of(log, 1)
    assert (point.trainings, point.best_id, point.num_samples) == (3, 0, 1)
    assert point.judged == pytest.approx(math.log(BASELINE_LOSSES[0] / 0.2))


def test_trainings_of_other_stages_are_none(log: Log) -> None:
    log.add("p0", [score(0.2)])
    log.store.append([], [Evaluation(Stage.SELECTION, "p0", score(0.1, 10_000), 0)])
    assert best(log, 1) == [(1, 0)]


# What the search knew.


def test_a_best_that_is_resampled_is_judged_anew(log: Log) -> None:
    """It makes room for the second where it falls, and comes back where further seeds are good."""
    lucky = log.add("lucky", [score(0.1)])
    solid = log.add("solid", [score(0.2)])
    log.add("lucky", [score(0.5, 1)], Outcome.RESAMPLED, scored_id=lucky)
    log.add("lucky", [score(0.01, 2), score(0.01, 3)], Outcome.RESAMPLED, scored_id=lucky)
    assert best(log, 5) == [(1, lucky), (2, lucky), (3, solid), (4, solid), (5, lucky)]
    assert curve_of(log, 5)[-1].num_samples == 4


def test_a_best_that_fails_on_a_further_seed_is_out(log: Log) -> None:
    lucky = log.add("lucky", [score(0.1)])
    solid = log.add("solid", [score(0.2)])
    log.add("lucky", [score(None, 1)], Outcome.RESAMPLED, scored_id=lucky)
    assert best(log, 3)[1:] == [(2, lucky), (3, solid)]


def test_a_program_tried_again_is_known_by_its_second_chance_alone(log: Log) -> None:
    guilty = log.add("p0", [score(0.2), score(None, 1, Status.CRASHED)])
    log.add("p1", [score(0.3)])
    log.add("p0", [score(0.1), score(0.1, 1)], scored_id=guilty)
    *_, before, end = curve_of(log, 5)
    assert (before.best_id, end.best_id, end.num_samples) == (1, guilty, 2)


def test_the_prices_of_the_run_are_taken_off(tmp_path: Path) -> None:
    log = make_log(tmp_path, JudgeSettings(state_price=0.1, statement_price=0.01))
    log.add("dear", [score(0.19)], num_states=2, num_canonical_statements=10)
    cheap = log.add("cheap", [score(0.20)], num_states=0, num_canonical_statements=5)
    end = curve_of(log, 1)[-1]
    assert end.best_id == cheap
    assert end.judged == pytest.approx(math.log(BASELINE_LOSSES[0] / 0.20) - 0.05)


def test_the_caution_of_the_run_is_taken_off(tmp_path: Path) -> None:
    log = make_log(tmp_path, JudgeSettings(caution=3.0))
    log.add("once", [score(0.199)])
    often = log.add("often", [score(0.2 * loss / 0.3, seed) for seed, loss in enumerate(BASELINE_LOSSES)])
    assert curve_of(log, 1)[-1].best_id == often


# Against a search that looks at everything again at each point.


def write_random_log(log: Log, rng: random.Random) -> list[tuple[Individual, list[Score], int]]:
    """Logs a search with all there is in it; returns its individuals, own scores and costs."""
    seeds: dict[str, int] = {}
    firsts: dict[str, int] = {}
    history = []
    for number in range(60):
        known = rng.choice(sorted(seeds)) if seeds and rng.random() < 0.5 else None
        hash_ = known or f"p{number}"
        outcome = rng.choice([Outcome.SEEN, Outcome.RESAMPLED]) if known else rng.choice(
            [Outcome.EVALUATED, Outcome.EVALUATED, Outcome.REUSED]
        )  # fmt: skip
        first = seeds.get(hash_, 0)
        count = 0 if outcome is Outcome.SEEN else min(2, NUM_SEEDS - first)
        own = [score(rng.choice([0.1, 0.2, 0.3, 0.4, None, 0.25]), first + k) for k in range(count)]
        own = own[: next((k + 1 for k, s in enumerate(own) if s.loss is None), len(own))]
        others = [(f"{hash_} scaled", score(0.01))] * (outcome is Outcome.EVALUATED and rng.random() < 0.3)
        scored_id = firsts.setdefault(hash_, number)
        id_ = log.add(hash_, own, outcome, others, scored_id=scored_id, num_states=rng.randrange(3))
        if own and own[-1].loss is None:
            seeds.pop(hash_, None)  # what failed is not resampled
        elif own:
            seeds[hash_] = first + count
        found = log.store.individual(id_)
        assert found is not None
        history.append((found, own, 0 if outcome is Outcome.REUSED else len(own) + len(others)))
    return history


def best_by_looking_at_everything(
    history: Sequence[tuple[Individual, list[Score], int]], trainings: int, judge: Judge
) -> tuple[int, float] | None:
    scores: dict[str, list[Score]] = {}
    firsts: dict[str, Individual] = {}
    for found, own, cost in history:
        trainings -= cost
        if trainings < 0:
            break
        scores.setdefault(found.hash, []).extend(own)
        firsts.setdefault(found.hash, found)
    candidates = [
        (judge.cautious(own) - judge.price(first.num_states, first.num_canonical_statements), -first.id)
        for own, first in zip(scores.values(), firsts.values(), strict=True)
        if all(s.status is Status.OK for s in own)
    ]
    judged, negative = max(candidates, default=(0.0, 1))
    return None if negative == 1 else (-negative, judged)


@pytest.mark.parametrize("seed", range(12))
def test_every_point_is_what_looking_at_everything_again_gives(tmp_path: Path, seed: int) -> None:
    settings = JudgeSettings(caution=1.0, state_price=0.02)
    log = make_log(tmp_path, settings)
    history = write_random_log(log, random.Random(seed))
    judge = Judge([score(loss, s) for s, loss in enumerate(BASELINE_LOSSES)], settings)
    total = sum(cost for *_, cost in history)
    expected = {n: best_by_looking_at_everything(history, n, judge) for n in range(1, total + 1)}
    curve = {p.trainings: (p.best_id, p.judged) for p in curve_of(log, total)}
    assert curve == {n: found for n, found in expected.items() if found is not None}
    assert len({best_id for best_id, _ in curve.values()}) > 1
    leader = rank(log.store, Stage.SEARCH)[0]
    assert curve[total] == (leader.individual.id, leader.judged)


# Slices of so many programs.


def test_the_best_of_slices_is_what_was_known_then(log: Log) -> None:
    for number, loss in enumerate((0.3, 0.2, 0.25, 0.1, 0.15)):
        log.add(f"p{number}", [score(loss, 0)])
    whole = best_of_slices(log.store, 2)
    assert [(point.num_programs, point.best_id) for point in whole] == [(2, 1), (4, 3), (5, 3)]


def test_the_best_of_a_repeat_is_of_what_it_made_first(log: Log) -> None:
    for number, loss in enumerate((0.3, 0.2, 0.25, 0.1)):
        log.add(f"p{number}", [score(loss, 0)], repeat=number % 2)
    log.add("p1", [score(0.9, 1)], Outcome.RESAMPLED, repeat=0)  # trained again by the other: worse by now
    points = [best_of_slices(log.store, 3, repeat) for repeat in (0, 1)]
    assert [[(p.num_programs, p.best_id) for p in own] for own in points] == [
        [(3, 2), (5, 2)],
        [(3, 1), (5, 3)],
    ]

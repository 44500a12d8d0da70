"""The best of a search after so many trainings, from logs written by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.curves import CurvePoint, checkpoints, learning_curve
from lion_search.results.judge import Judge, JudgeSettings
from lion_search.results.ranking import JUDGE_FACT, rank
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Individual, Outcome, Stage
from lion_search.results.store import Store

NOTHING_OFF = JudgeSettings()
NUM_SEEDS = 16
BASELINE_LOSSES = [0.3 * (1 + 0.02 * (seed % 5 - 2)) for seed in range(NUM_SEEDS)]


def score(loss: float | None, seed: int = 0, status: Status = Status.DIVERGED) -> Score:
    status = status if loss is None else Status.OK
    return Score("a", Part.VALIDATION, seed, status, loss, 250, 0.5)


def individual(id_: int, hash_: str, outcome: Outcome, **changes: Any) -> Individual:
    values: dict[str, Any] = {
        "draw": id_, "repeat": 0, "era": 0, "parent_id": None, "mutation": "insert", "program": "",
        "proposed_hash": hash_, "fingerprint": None, "status": Status.OK, "scored_id": id_,
        "update_scale": 1.0,
        "num_statements": 3, "num_live_statements": 3, "num_states": 0, "num_canonical_statements": 3,
    }  # fmt: skip
    return Individual(id=id_, hash=hash_, outcome=outcome, **{**values, **changes})


class Log:
    """A log that is written one individual after the other."""

    def __init__(self, path: Path, settings: JudgeSettings = NOTHING_OFF) -> None:
        self.store = Store.create(path, {JUDGE_FACT: asdict(settings)})
        baseline = [score(loss, seed) for seed, loss in enumerate(BASELINE_LOSSES)]
        self.store.append([], [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, s) for s in baseline])
        self.num_individuals = 0

    def add(
        self,
        hash_: str,
        scores: Sequence[Score] = (),
        outcome: Outcome = Outcome.EVALUATED,
        others: Sequence[tuple[str, Score]] = (),
        **changes: Any,
    ) -> int:
        """Logs an individual, what other update scales of it gave, and its own trainings."""
        id_ = self.num_individuals
        self.num_individuals += 1
        rows = [*others, *((hash_, s) for s in scores)]
        self.store.append(
            [individual(id_, hash_, outcome, **changes)],
            [Evaluation(Stage.SEARCH, subject, s, id_) for subject, s in rows],
        )
        return id_


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.db")


def best(curve: Sequence[CurvePoint]) -> list[tuple[int, int]]:
    return [(point.trainings, point.best_id) for point in curve]


# Where the points are.


def test_checkpoints_are_evenly_spaced_and_end_at_the_maximum() -> None:
    assert checkpoints(4, 100) == (25, 50, 75, 100)


def test_there_are_no_more_checkpoints_than_trainings() -> None:
    assert checkpoints(100, 3) == (1, 2, 3)


def test_a_point_names_the_best_so_far(log: Log) -> None:
    for number, loss in enumerate([0.3, 0.2, 0.4, 0.1]):
        log.add(f"p{number}", [score(loss)])
    assert best(learning_curve(log.store, 4)) == [(1, 0), (2, 1), (3, 1), (4, 3)]


def test_a_point_holds_no_more_than_its_trainings_paid_for(log: Log) -> None:
    for number, loss in enumerate([0.3, 0.2, 0.1]):
        log.add(f"p{number}", [score(loss, 0), score(loss, 1)])
    assert best(learning_curve(log.store, 6)) == [(2, 0), (3, 0), (4, 1), (5, 1), (6, 2)]


def test_amounts_that_the_run_did_not_reach_are_left_out_and_its_end_is_there(log: Log) -> None:
    for number, loss in enumerate([0.3, 0.2, 0.1]):
        log.add(f"p{number}", [score(loss)])
    assert best(learning_curve(log.store, 5, max_trainings=10)) == [(2, 1), (3, 2)]


def test_the_end_of_the_run_comes_after_the_largest_amount(log: Log) -> None:
    for number, loss in enumerate([0.3, 0.2, 0.1]):
        log.add(f"p{number}", [score(loss)])
    assert best(learning_curve(log.store, 1, max_trainings=2)) == [(2, 1), (3, 2)]


def test_a_log_of_the_baseline_alone_has_no_points(log: Log) -> None:
    assert learning_curve(log.store, 4) == []


def test_an_empty_log_has_no_points(tmp_path: Path) -> None:
    assert learning_curve(Store.create(tmp_path / "empty.db", {}), 4) == []


def test_a_log_in_which_nothing_trains_has_no_points(log: Log) -> None:
    log.add("p", [score(None)], status=Status.DIVERGED)
    assert learning_curve(log.store, 4) == []


# What compute is.


def test_hits_cost_nothing_and_are_counted_as_programs(log: Log) -> None:
    log.add("p0", [score(0.3)])
    for _ in range(3):
        log.add("p0", outcome=Outcome.SEEN, scored_id=0)
    log.add("p1", [score(0.4)])
    log.add("p1", outcome=Outcome.SAME_AS_PARENT, scored_id=4)
    curve = learning_curve(log.store, 2)
    assert [(p.trainings, p.num_programs) for p in curve] == [(1, 4), (2, 6)]


def test_seconds_are_those_of_the_trainings_so_far(log: Log) -> None:
    for number in range(4):
        log.add(f"p{number}", [score(0.3)])
    assert [p.seconds for p in learning_curve(log.store, 2)] == pytest.approx([1.0, 2.0])


def test_a_reused_program_costs_nothing_and_may_be_the_best(log: Log) -> None:
    log.add("p0", [score(0.3)])
    reused = log.add("p1", [score(0.1)], Outcome.REUSED)
    log.add("p2", [score(0.2)])
    curve = learning_curve(log.store, 2)
    assert best(curve) == [(1, reused), (2, reused)]
    assert curve[-1].seconds == pytest.approx(1.0)


def test_other_update_scales_cost_trainings_and_are_never_the_best(log: Log) -> None:
    log.add("p0", [score(0.2)], others=[("p0 times 10", score(0.01)), ("p0 times 0.1", score(0.4))])
    (point,) = learning_curve(log.store, 1)
    assert (point.trainings, point.best_id, point.num_samples) == (3, 0, 1)
    assert point.judged == pytest.approx(math.log(BASELINE_LOSSES[0] / 0.2))


def test_trainings_of_other_stages_are_none(log: Log) -> None:
    log.add("p0", [score(0.2)])
    log.store.append([], [Evaluation(Stage.SELECTION, "p0", score(0.1, 10_000), 0)])
    assert [p.trainings for p in learning_curve(log.store, 1)] == [1]


# What the search knew.


def test_a_best_that_falls_when_it_is_resampled_makes_room_for_the_second(log: Log) -> None:
    lucky = log.add("lucky", [score(0.1)])
    solid = log.add("solid", [score(0.2)])
    log.add("lucky", [score(0.5, 1)], Outcome.RESAMPLED, scored_id=lucky)
    assert best(learning_curve(log.store, 3)) == [(1, lucky), (2, lucky), (3, solid)]


def test_a_program_that_fell_comes_back_when_further_seeds_are_good(log: Log) -> None:
    lucky = log.add("lucky", [score(0.1)])
    solid = log.add("solid", [score(0.2)])
    log.add("lucky", [score(0.5, 1)], Outcome.RESAMPLED, scored_id=lucky)
    log.add("lucky", [score(0.01, 2), score(0.01, 3)], Outcome.RESAMPLED, scored_id=lucky)
    curve = learning_curve(log.store, 5)
    assert best(curve) == [(1, lucky), (2, lucky), (3, solid), (4, solid), (5, lucky)]
    assert curve[-1].num_samples == 4


def test_a_best_that_fails_on_a_further_seed_is_out(log: Log) -> None:
    lucky = log.add("lucky", [score(0.1)])
    solid = log.add("solid", [score(0.2)])
    log.add("lucky", [score(None, 1)], Outcome.RESAMPLED, scored_id=lucky, status=Status.DIVERGED)
    assert best(learning_curve(log.store, 3))[1:] == [(2, lucky), (3, solid)]


def test_a_program_tried_again_is_known_by_its_second_chance_alone(log: Log) -> None:
    guilty = log.add("p0", [score(0.2), score(None, 1, Status.CRASHED)], status=Status.CRASHED)
    log.add("p1", [score(0.3)])
    log.add("p0", [score(0.1), score(0.1, 1)], scored_id=guilty)
    *_, before, end = learning_curve(log.store, 5)
    assert (before.best_id, end.best_id) == (1, guilty)
    assert end.num_samples == 2


def test_of_equals_the_first_is_the_best(log: Log) -> None:
    for name in "zay":
        log.add(name, [score(0.2)])
    assert {p.best_id for p in learning_curve(log.store, 3)} == {0}


def test_the_prices_of_the_run_are_taken_off(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db", JudgeSettings(state_price=0.1, statement_price=0.01))
    log.add("dear", [score(0.19)], num_states=2, num_canonical_statements=10)
    cheap = log.add("cheap", [score(0.20)], num_states=0, num_canonical_statements=5)
    end = learning_curve(log.store, 1)[-1]
    assert end.best_id == cheap
    assert end.judged == pytest.approx(math.log(BASELINE_LOSSES[0] / 0.20) - 0.05)


def test_the_caution_of_the_run_is_taken_off(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db", JudgeSettings(caution=3.0))
    log.add("once", [score(0.199)])
    often = log.add("often", [score(0.2 * loss / 0.3, seed) for seed, loss in enumerate(BASELINE_LOSSES)])
    assert learning_curve(log.store, 1)[-1].best_id == often


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
        cost = 0 if outcome is Outcome.REUSED else len(own) + len(others)
        history.append((found, own, cost))
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
    log = Log(tmp_path / "log.db", settings)
    history = write_random_log(log, random.Random(seed))
    judge = Judge([score(loss, s) for s, loss in enumerate(BASELINE_LOSSES)], settings)
    total = sum(cost for *_, cost in history)
    expected = {n: best_by_looking_at_everything(history, n, judge) for n in range(1, total + 1)}
    curve = {p.trainings: (p.best_id, p.judged) for p in learning_curve(log.store, total)}
    assert curve == {n: found for n, found in expected.items() if found is not None}
    assert len({best_id for best_id, _ in curve.values()}) > 1
    leader = rank(log.store, Stage.SEARCH)[0]
    assert curve[total] == (leader.individual.id, leader.judged)

"""Programs by fitness, from the raw losses in the log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.judge import JudgeSettings
from lion_search.results.ranking import JUDGE_FACT, judge_settings, rank
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Individual, Outcome, Stage
from lion_search.results.store import Store


def evaluation(
    subject: str, loss: float | None, seed: int = 0, task: str = "a", stage: Stage = Stage.SEARCH
) -> Evaluation:
    status = Status.OK if loss is not None else Status.DIVERGED
    return Evaluation(stage, subject, Score(task, Part.VALIDATION, seed, status, loss, 250, 0.01))


def individual(number: int, hash_: str, **changes: Any) -> Individual:
    values: dict[str, Any] = {
        "id": number, "draw": number, "repeat": 0, "era": 0, "parent_id": None, "mutation": "insert",
        "program": "", "hash": hash_, "proposed_hash": hash_, "fingerprint": None,
        "outcome": Outcome.EVALUATED, "status": Status.OK, "scored_id": number, "update_scale": 1.0,
        "num_statements": 1, "num_live_statements": 1, "num_states": 0, "num_canonical_statements": 1,
    }  # fmt: skip
    return Individual(**{**values, **changes})


class Log:
    """A log in which each program is one individual, unless it is said which it is."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._ids: dict[str, int] = {}
        self._count = 0

    def individual(self, hash_: str, **changes: Any) -> int:
        number, self._count = self._count, self._count + 1
        self.store.append([individual(number, hash_, **changes)], [])
        return self._ids.setdefault(hash_, number)

    def add(self, rows: Sequence[Evaluation], of: int | None = None) -> None:
        """Appends evaluations, each of its program's individual or all of one."""
        for row in rows:
            number = None if row.subject == BASELINE_SUBJECT else self._number(row.subject, of)
            self.store.append([], [replace(row, individual_id=number)])

    def _number(self, hash_: str, of: int | None) -> int:
        if of is not None:
            return of
        return self._ids[hash_] if hash_ in self._ids else self.individual(hash_)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "log.db", {})


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store)


def test_the_fittest_come_first_and_failures_last(store: Store, log: Log) -> None:
    rows = [evaluation(BASELINE_SUBJECT, 0.3), evaluation("bad", None), evaluation("worse", 0.5),
            evaluation("best", 0.2), evaluation("parity", 0.3)]  # fmt: skip
    log.add(rows)
    ranked = rank(store, Stage.SEARCH)
    assert [r.hash for r in ranked] == ["best", "parity", "worse", "bad"]
    assert [r.fitness for r in ranked] == pytest.approx([math.log(1.5), 0, math.log(0.6), -1])
    assert [r.status for r in ranked] == [Status.OK] * 3 + [Status.DIVERGED]


def test_ties_stay_in_the_order_of_the_log(store: Store, log: Log) -> None:
    log.add([evaluation(BASELINE_SUBJECT, 0.3), *(evaluation(name, 0.2) for name in "zaym")])
    assert [r.hash for r in rank(store, Stage.SEARCH)] == list("zaym")


def test_the_baseline_is_not_ranked(store: Store, log: Log) -> None:
    log.add([evaluation(BASELINE_SUBJECT, 0.3), evaluation("a", 0.2)])
    assert [r.hash for r in rank(store, Stage.SEARCH)] == ["a"]


def test_fitness_refers_to_the_baseline_of_the_same_stage(store: Store, log: Log) -> None:
    log.add([evaluation(BASELINE_SUBJECT, 0.3), evaluation("a", 0.2)])
    log.add([evaluation(s, loss, 7, stage=Stage.SELECTION)
                      for s, loss in ((BASELINE_SUBJECT, 0.1), ("a", 0.2))])  # fmt: skip
    assert [r.fitness for r in rank(store, Stage.SEARCH)] == pytest.approx([math.log(1.5)])
    assert [r.fitness for r in rank(store, Stage.SELECTION)] == pytest.approx([math.log(0.5)])


def test_fitness_is_from_mean_losses_of_each_task(store: Store, log: Log) -> None:
    losses = {BASELINE_SUBJECT: {"a": (0.2, 0.4), "b": (1.0, 3.0)}, "x": {"a": (0.1, 0.3), "b": (1.0, 2.0)}}
    log.add([evaluation(subject, loss, seed, task)
                      for subject, by_task in losses.items()
                      for task, values in by_task.items()
                      for seed, loss in enumerate(values)])  # fmt: skip
    (row,) = rank(store, Stage.SEARCH)
    assert row.fitness == pytest.approx((math.log(0.3 / 0.2) + math.log(2.0 / 1.5)) / 2)
    assert row.num_seeds == 4


def test_a_program_that_failed_once_is_a_failure(store: Store, log: Log) -> None:
    log.add([evaluation(BASELINE_SUBJECT, 0.3, seed) for seed in (0, 1)])
    log.add([evaluation("a", 0.01, 0), evaluation("a", None, 1)])
    (row,) = rank(store, Stage.SEARCH)
    assert (row.fitness, row.status) == (-1, Status.DIVERGED)


def test_an_empty_log_ranks_nothing(store: Store) -> None:
    assert rank(store, Stage.SEARCH) == []


# What the search's policies leave in the log.


def test_further_seeds_count_and_are_compared_on_their_own_seeds(store: Store, log: Log) -> None:
    log.add([evaluation(BASELINE_SUBJECT, x, seed) for seed, x in enumerate((0.3, 0.9))])
    log.add([evaluation("few", 0.2), evaluation("many", 0.2)])
    hit = log.individual("many", outcome=Outcome.RESAMPLED, scored_id=1)
    log.add([evaluation("many", 0.6, seed=1)], of=hit)
    by_hash = {row.hash: row for row in rank(store, Stage.SEARCH)}
    assert (by_hash["few"].num_seeds, by_hash["many"].num_seeds) == (1, 2)
    assert by_hash["few"].fitness == pytest.approx(math.log(1.5))
    assert by_hash["many"].fitness == pytest.approx(math.log(0.6 / 0.4))


def test_a_second_chance_counts_in_place_of_the_first(store: Store, log: Log) -> None:
    log.add([evaluation(BASELINE_SUBJECT, 0.3), evaluation("a", None)])
    again = log.individual("a", scored_id=0)
    log.add([evaluation("a", 0.2)], of=again)
    (row,) = rank(store, Stage.SEARCH)
    assert (row.status, row.num_seeds, row.individual.id) == (Status.OK, 1, 0)


def test_update_scales_that_were_not_kept_are_not_ranked(store: Store, log: Log) -> None:
    log.add([evaluation(BASELINE_SUBJECT, 0.3)])
    kept = log.individual("kept", proposed_hash="proposed", update_scale=0.5)
    log.add([evaluation("proposed", 0.5), evaluation("kept", 0.2)], of=kept)
    assert [row.hash for row in rank(store, Stage.SEARCH)] == ["kept"]


def test_caution_and_prices_are_those_of_the_run(store: Store, log: Log) -> None:
    store.append([], [], {JUDGE_FACT: {"caution": 1.0, "state_price": 0.2, "statement_price": 0.0}})
    assert judge_settings(store) == JudgeSettings(1.0, 0.2, 0.0)
    log.individual("dear", num_states=2)
    log.add([evaluation(BASELINE_SUBJECT, x, seed) for seed, x in enumerate((0.3, 0.6))])
    log.add([evaluation("dear", 0.2), evaluation("cheap", 0.25)])
    cheap, dear = rank(store, Stage.SEARCH)
    error = math.log(2) / math.sqrt(2)  # of one seed: the deviation of two logarithms log(2) apart
    assert (cheap.hash, dear.hash) == ("cheap", "dear")
    assert (cheap.price, dear.price) == pytest.approx((0.0, 0.4))
    assert dear.judged == pytest.approx(math.log(1.5) - error - 0.4)
    assert dear.fitness == pytest.approx(math.log(1.5))


def test_a_run_without_a_judge_takes_nothing_off(store: Store) -> None:
    assert judge_settings(store) == JudgeSettings()


def test_a_seed_counts_once_if_a_program_was_trained_under_two_names(store: Store, log: Log) -> None:
    """With update scales: ``x`` as it was proposed, and as half of a later proposal."""
    log.add([evaluation(BASELINE_SUBJECT, x, seed) for seed, x in enumerate((0.3, 0.6))])
    log.add([evaluation("x", 0.2, 0), evaluation("x", 0.4, 1)])
    half = log.individual("x", proposed_hash="twice x", update_scale=0.5)
    log.add([evaluation("twice x", 0.9, 0), evaluation("x", 0.2, 0), evaluation("x", 0.4, 1)], of=half)
    (row,) = rank(store, Stage.SEARCH)
    assert row.num_seeds == 2

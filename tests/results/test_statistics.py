"""A search in numbers, from logs written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Individual, Outcome, Stage
from lion_search.results.statistics import MutationCount, Statistics, statistics
from lion_search.results.store import Store

DETERMINISTIC: Mapping[str, Any] = {"config": {"search": {"order": "deterministic"}}}


def score(
    status: Status = Status.OK, *, task: str = "a", seed: int = 0, seconds: float = 1.0, loss: float = 0.2
) -> Score:
    has_loss = status in (Status.OK, Status.STOPPED)
    return Score(task, Part.VALIDATION, seed, status, loss if has_loss else None, 250, seconds)


class Log:
    """A log that is written one individual after the other."""

    def __init__(self, path: Path, facts: Mapping[str, Any] = DETERMINISTIC) -> None:
        self.store = Store.create(path, facts)
        self.num_individuals = 0

    def add(
        self,
        outcome: Outcome = Outcome.EVALUATED,
        scores: Sequence[Score] = (),
        others: Sequence[Score] = (),
        **changes: Any,
    ) -> int:
        """Logs an individual, what another update scale of it gave, and its own trainings."""
        id_ = self.num_individuals
        self.num_individuals += 1
        hash_ = f"p{changes.get('scored_id', id_)}"
        values: dict[str, Any] = {
            "draw": id_, "repeat": 0, "era": 0, "parent_id": None, "mutation": "insert", "program": "",
            "hash": hash_, "proposed_hash": hash_, "fingerprint": None,
            "status": scores[-1].status if scores else Status.OK,
            "scored_id": id_, "update_scale": 1.0, "num_statements": 4, "num_live_statements": 3,
            "num_states": 0, "num_canonical_statements": 3, **changes,
        }  # fmt: skip
        own = Individual(id=id_, outcome=outcome, **values)
        rows = [*(("another scale", s) for s in others), *((own.hash, s) for s in scores)]
        self.store.append([own], [Evaluation(Stage.SEARCH, subject, s, id_) for subject, s in rows])
        return id_

    @property
    def stats(self) -> Statistics:
        return statistics(self.store)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.db")


# Programs.


def test_programs_are_counted_by_what_the_search_did_with_them(log: Log) -> None:
    counts = {
        Outcome.EVALUATED: 1,
        Outcome.RESAMPLED: 2,
        Outcome.REUSED: 3,
        Outcome.SAME_AS_PARENT: 4,
        Outcome.SEEN: 5,
        Outcome.FINGERPRINT: 6,
    }
    for outcome, count in counts.items():
        for _ in range(count):
            log.add(outcome)
    stats = log.stats
    assert {outcome: getattr(stats, outcome) for outcome in counts} == counts
    assert (stats.programs, stats.hits, stats.hit_rate) == (21, 15, pytest.approx(15 / 21))


def test_evaluated_and_reused_programs_are_novel_the_first_time(log: Log) -> None:
    first = log.add(Outcome.EVALUATED, [score(Status.CRASHED)])
    log.add(Outcome.REUSED)
    log.add(Outcome.SEEN)
    log.add(Outcome.RESAMPLED, scored_id=first)
    log.add(Outcome.EVALUATED, scored_id=first)  # its second chance
    assert log.stats.novel == 2


def test_novel_programs_an_hour_refer_to_the_time_of_the_search(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db", {"search_seconds": 1800.0})
    for _ in range(5):
        log.add()
    assert (log.stats.search_seconds, log.stats.novel_per_hour) == (1800.0, pytest.approx(10))


def test_without_the_time_of_the_search_there_is_no_rate(log: Log) -> None:
    log.add()
    assert (log.stats.search_seconds, log.stats.novel_per_hour) == (None, None)


def test_statuses_are_those_of_what_was_trained(log: Log) -> None:
    first = log.add(Outcome.EVALUATED, [score()])
    log.add(Outcome.EVALUATED, [score(Status.DIVERGED)])
    log.add(Outcome.RESAMPLED, [score(Status.DIVERGED, seed=1)], scored_id=first)
    log.add(Outcome.SEEN, status=Status.TOO_LARGE)
    log.add(Outcome.REUSED, status=Status.TOO_LARGE)
    assert log.stats.statuses == {"ok": 1, "diverged": 2}


def test_a_mutation_of_several_kinds_counts_for_each_once(log: Log) -> None:
    log.add(mutation="initial")
    log.add(mutation="insert+delete+insert")
    log.add(Outcome.SEEN, mutation="insert", scored_id=0)
    assert log.stats.mutations == {
        "insert": MutationCount(2, 1),
        "delete": MutationCount(1, 1),
        "initial": MutationCount(1, 1),
    }


def test_update_scales_are_those_of_novel_programs(log: Log) -> None:
    for scale in (1.0, 0.1, 10.0, 0.1):
        log.add(update_scale=scale)
    log.add(Outcome.SEEN, update_scale=0.1, scored_id=1)
    assert log.stats.update_scales == {"0.1": 2, "1": 1, "10": 1}


def test_the_redundant_share_is_a_mean_over_the_last_thousand(log: Log) -> None:
    for _ in range(5):
        log.add(num_statements=10, num_live_statements=0)
    for _ in range(500):
        log.add(num_statements=4, num_live_statements=3)
        log.add(num_statements=4, num_live_statements=1)
    assert log.stats.redundant_share == pytest.approx(0.5)


def test_a_program_without_statements_has_none_that_is_redundant(log: Log) -> None:
    log.add(num_statements=0, num_live_statements=0)
    log.add(num_statements=2, num_live_statements=1)
    assert log.stats.redundant_share == pytest.approx(0.25)


def test_populations_and_restarts_are_counted(log: Log) -> None:
    for repeat, mutation in ((0, "initial"), (1, "initial"), (0, "restart"), (1, "insert"), (0, "restart")):
        log.add(repeat=repeat, mutation=mutation)
    assert (log.stats.repeats, log.stats.restarts) == (2, 2)


# Trainings.


def test_trainings_are_what_the_search_paid_for(log: Log) -> None:
    log.store.append([], [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, score(seconds=100))])
    first = log.add(Outcome.EVALUATED, [score(seconds=1), score(seed=1, seconds=2)], [score(seconds=4)])
    log.add(Outcome.RESAMPLED, [score(seed=2, seconds=8)], scored_id=first)
    log.add(Outcome.REUSED, [score(seconds=200)])
    log.store.append([], [Evaluation(Stage.SELECTION, "p0", score(seed=10_000, seconds=400), first)])
    assert (log.stats.trainings, log.stats.training_seconds) == (4, pytest.approx(15))


def test_a_hurdle_saves_what_the_samples_after_the_first_take(log: Log) -> None:
    samples = [score(seconds=1), score(seed=1, seconds=3), score(task="b", seconds=10)]
    first = log.add(Outcome.EVALUATED, samples)
    log.add(Outcome.RESAMPLED, [score(seed=2, seconds=2)], scored_id=first)  # more samples than others get
    for _ in range(2):
        log.add(Outcome.EVALUATED, [score(Status.STOPPED, seconds=2)])
    # A whole program takes 2 * 2 + 10 seconds and its first sample 2, so each of the two saved 12.
    stats = log.stats
    assert (stats.stopped, stats.saved_seconds) == (2, pytest.approx(24))
    assert stats.saved_share == pytest.approx(24 / (24 + 20))


def test_without_a_hurdle_nothing_is_saved(log: Log) -> None:
    log.add(Outcome.EVALUATED, [score()])
    assert (log.stats.stopped, log.stats.saved_seconds, log.stats.saved_share) == (0, 0.0, 0.0)


def test_what_a_hurdle_saved_is_unknown_where_no_program_passed(log: Log) -> None:
    log.add(Outcome.EVALUATED, [score(Status.STOPPED)])
    assert (log.stats.stopped, log.stats.saved_seconds, log.stats.saved_share) == (1, None, None)


# Repeatable.


def test_a_search_in_deterministic_order_is_repeatable(log: Log) -> None:
    log.add(Outcome.EVALUATED, [score(Status.DIVERGED)])
    assert log.stats.is_repeatable


@pytest.mark.parametrize("status", [Status.CRASHED, Status.TIMED_OUT, Status.OUT_OF_MEMORY])
def test_a_search_that_met_the_limits_of_its_machine_is_not_repeatable(log: Log, status: Status) -> None:
    log.add(Outcome.EVALUATED, [score(status)])
    assert not log.stats.is_repeatable


def test_nor_is_one_in_which_another_update_scale_met_them(log: Log) -> None:
    log.add(Outcome.EVALUATED, [score()], others=[score(Status.TIMED_OUT)])
    assert not log.stats.is_repeatable


@pytest.mark.parametrize("facts", [{}, {"config": {"search": {"order": "asynchronous"}}}])
def test_nor_is_one_in_another_order(tmp_path: Path, facts: Mapping[str, Any]) -> None:
    log = Log(tmp_path / "log.db", facts)
    log.add(Outcome.EVALUATED, [score()])
    assert not log.stats.is_repeatable


# All.


def test_an_empty_log_has_statistics(log: Log) -> None:
    stats = log.stats
    assert (stats.programs, stats.trainings, stats.training_seconds, stats.saved_share) == (0, 0, 0, 0)
    assert (stats.hit_rate, stats.redundant_share) == (None, None)


def test_statistics_are_json_values(log: Log) -> None:
    log.add(Outcome.EVALUATED, [score()], update_scale=0.1)
    values = asdict(log.stats)
    assert json.loads(json.dumps(values, allow_nan=False)) == values

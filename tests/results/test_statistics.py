"""A search in numbers, from logs written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from logs import Log, score

from lion_search.proxy_tasks.scores import FAULTS, Score, Status
from lion_search.results.records import BASELINE_SUBJECT, HITS, SEVERAL, Evaluation, Outcome, Stage
from lion_search.results.statistics import MutationCount, statistics

DETERMINISTIC: Mapping[str, Any] = {"config": {"search": {"order": "deterministic"}}}


def ended(status: Status = Status.OK, seed: int = 0, *, seconds: float = 1.0, task: str = "a") -> Score:
    """A training that ended so."""
    loss = 0.2 if status in (Status.OK, Status.STOPPED) else None
    return score(loss, seed, status, seconds=seconds, task=task)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.db", DETERMINISTIC)


def numbers(log: Log, *names: str) -> tuple[Any, ...]:
    """Some of the statistics."""
    found = statistics(log.store)
    return tuple(getattr(found, name) for name in names)


# Programs.


def test_programs_are_counted_by_what_the_search_did_with_them(log: Log) -> None:
    for count, outcome in enumerate(Outcome, 1):
        for _ in range(count):
            log.add(outcome=outcome)
    assert numbers(log, "evaluated", "resampled", "reused") == (1 + 2, 2, 3)
    assert numbers(log, *HITS) == (4, 5, 6)
    assert numbers(log, "programs", "hits", "hit_rate") == (21, 15, pytest.approx(15 / 21))


def test_evaluated_and_reused_programs_are_novel_the_first_time(log: Log) -> None:
    first = log.add(scores=[ended(Status.CRASHED)])
    log.add(outcome=Outcome.REUSED)
    log.add(outcome=Outcome.SEEN)
    log.add(outcome=Outcome.RESAMPLED, scored_id=first)
    log.add(scored_id=first)  # its second chance
    assert numbers(log, "novel") == (2,)


def test_novel_programs_an_hour_refer_to_the_time_of_the_search(log: Log) -> None:
    for _ in range(5):
        log.add()
    assert numbers(log, "search_seconds", "novel_per_hour") == (None, None)
    log.store.append([], [], {"search_seconds": 1800.0})
    assert numbers(log, "search_seconds", "novel_per_hour") == (1800.0, pytest.approx(10))


def test_statuses_are_those_of_what_was_trained(log: Log) -> None:
    first = log.add(scores=[ended()])
    log.add(scores=[ended(Status.DIVERGED)])
    log.add(scores=[ended(Status.DIVERGED, 1)], outcome=Outcome.RESAMPLED, scored_id=first)
    log.add(outcome=Outcome.SEEN, status=Status.TOO_LARGE)
    log.add(outcome=Outcome.REUSED, status=Status.TOO_LARGE)
    assert numbers(log, "statuses") == ({"ok": 1, "diverged": 2},)


def test_failures_are_told_with_their_commonest_reasons_and_an_example(log: Log) -> None:
    """What a hurdle stopped is told elsewhere."""
    reasons = ["a", "b", "b", "c", "c", "c", "d", "d", "d", "d"]
    for reason in reasons:
        log.add(scores=[replace(ended(Status.CRASHED), reason=reason)])
    log.add(scores=[replace(ended(Status.DIVERGED), reason="x")])
    log.add(scores=[ended(Status.STOPPED)])
    ((*crashed, diverged),) = numbers(log, "failures")
    assert [(g.reason, g.count, g.example) for g in crashed] == [("d", 4, 6), ("c", 3, 3), ("b", 2, 1)]
    assert {g.status for g in crashed} == {Status.CRASHED}
    assert (diverged.status, diverged.reason, diverged.count) == (Status.DIVERGED, "x", 1)


def test_each_program_counts_for_one_kind_of_mutation(log: Log) -> None:
    """The kinds add up to the programs: what several made is a row of its own."""
    log.add(mutation="initial")
    log.add(mutation="insert+delete+insert")
    log.add(mutation="insert+insert")
    log.add(outcome=Outcome.SEEN, mutation="insert", scored_id=0)
    once = MutationCount(1, 1, 0)
    assert numbers(log, "mutations") == ({"insert": MutationCount(2, 1, 0), "initial": once, SEVERAL: once},)


def test_update_scales_are_those_of_novel_programs(log: Log) -> None:
    for scale in (1.0, 0.1, 10.0, 0.1):
        log.add(update_scale=scale)
    log.add(outcome=Outcome.SEEN, update_scale=0.1, scored_id=1)
    assert numbers(log, "update_scales") == ({"0.1": 2, "1": 1, "10": 1},)


def test_the_redundant_share_is_a_mean_over_the_last_programs(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program without statements has none that is redundant."""
    monkeypatch.setattr("lion_search.results.statistics.RECENT", 4)
    for length, num_live in ((10, 0), (10, 0), (4, 3), (4, 1), (0, 0), (2, 1)):
        log.add(num_statements=length, num_live_statements=num_live)
    assert numbers(log, "redundant_share") == (pytest.approx((0.25 + 0.75 + 0 + 0.5) / 4),)


def test_populations_and_restarts_are_counted(log: Log) -> None:
    for repeat, mutation in ((0, "initial"), (1, "initial"), (0, "restart"), (1, "insert"), (0, "restart")):
        log.add(repeat=repeat, mutation=mutation)
    assert numbers(log, "repeats", "restarts") == (2, 2)


# Trainings.


def test_trainings_are_what_the_search_paid_for(log: Log) -> None:
    baseline = [ended(seed=seed, seconds=100) for seed in range(3)]
    log.store.append([], [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, score) for score in baseline])
    first = log.add("p", [ended(seconds=1), ended(seed=1, seconds=2)], others=[("x", ended(seconds=4))])
    log.add("p", [ended(seed=2, seconds=8)], Outcome.RESAMPLED, scored_id=first)
    log.add("q", [ended(seconds=200)], Outcome.REUSED)
    log.store.append([], [Evaluation(Stage.SELECTION, "p", ended(seed=10_000, seconds=400), first)])
    assert numbers(log, "trainings", "training_seconds") == (4, pytest.approx(15))


def test_a_hurdle_saves_what_the_samples_after_the_first_take(log: Log) -> None:
    """A whole program takes 2 * 2 + 10 seconds and its first sample 2, so each of the two saved 12."""
    samples = [ended(seconds=1), ended(seed=1, seconds=3), ended(task="b", seconds=10)]
    first = log.add("p", samples)
    log.add("p", [ended(seed=2, seconds=2)], Outcome.RESAMPLED, scored_id=first)  # more than others get
    for _ in range(2):
        log.add(scores=[ended(Status.STOPPED, seconds=2)])
    saved = numbers(log, "stopped", "saved_seconds", "saved_share")
    assert saved == (2, pytest.approx(24), pytest.approx(24 / (24 + 20)))


@pytest.mark.parametrize(
    ("status", "expected"), [(Status.OK, (0, 0.0, 0.0)), (Status.STOPPED, (1, None, None))]
)
def test_without_a_hurdle_nothing_is_saved_and_where_no_program_passed_it_is_unknown(
    log: Log, status: Status, expected: tuple[Any, ...]
) -> None:
    log.add(scores=[ended(status)])
    assert numbers(log, "stopped", "saved_seconds", "saved_share") == expected


# Repeatable.


@pytest.mark.parametrize("status", Status)
def test_a_search_in_deterministic_order_is_repeatable_unless_it_met_the_limits_of_its_machine(
    log: Log, tmp_path: Path, status: Status
) -> None:
    """Also with another update scale than the one that was kept."""
    other = Log(tmp_path / "other.db", DETERMINISTIC)
    log.add(scores=[ended(status)])
    other.add(scores=[ended()], others=[("another scale", ended(status))])
    assert numbers(log, "is_repeatable") == numbers(other, "is_repeatable") == (status not in FAULTS,)


@pytest.mark.parametrize("facts", [{}, {"config": {"search": {"order": "asynchronous"}}}])
def test_a_search_in_another_order_is_not_repeatable(tmp_path: Path, facts: Mapping[str, Any]) -> None:
    log = Log(tmp_path / "log.db", facts)
    log.add(scores=[ended()])
    assert numbers(log, "is_repeatable") == (False,)


# All.


def test_an_empty_log_has_statistics(log: Log) -> None:
    assert numbers(log, "programs", "trainings", "training_seconds", "saved_share") == (0, 0, 0, 0)
    assert numbers(log, "hit_rate", "redundant_share") == (None, None)


def test_statistics_are_json_values(log: Log) -> None:
    log.add(scores=[ended()], update_scale=0.1)
    values = asdict(statistics(log.store))
    assert json.loads(json.dumps(values, allow_nan=False)) == values

"""Programs by fitness, from the raw losses in the log."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from logs import Log, score

from lion_search.proxy_tasks.scores import Status
from lion_search.results.judge import JudgeSettings
from lion_search.results.ranking import Ranked, judge_settings, rank
from lion_search.results.records import JUDGE_FACT, Evaluation, Outcome, Stage


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """With a baseline whose loss is 0.3 on the first seed and 0.6 on the second."""
    log = Log(tmp_path / "log.db")
    log.add_baseline([0.3, 0.6])
    return log


def ranked(log: Log, stage: Stage = Stage.SEARCH) -> list[Ranked]:
    return rank(log.store, stage)


def test_the_fittest_come_first_and_failures_last(log: Log) -> None:
    """The baseline is not ranked; ties stay in the order of the log."""
    for name, loss in (("bad", None), ("worse", 0.5), ("best", 0.2), ("z", 0.3), ("a", 0.3)):
        log.add(name, [score(loss)])
    rows = ranked(log)
    assert [r.hash for r in rows] == ["best", "z", "a", "worse", "bad"]
    assert [r.fitness for r in rows] == pytest.approx([math.log(1.5), 0, 0, math.log(0.6), -math.inf])
    assert [r.status for r in rows] == [Status.OK] * 4 + [Status.DIVERGED]


def test_fitness_refers_to_the_baseline_of_the_same_stage(log: Log) -> None:
    log.add("p", [score(0.2)])
    log.add_baseline([0.1], Stage.SELECTION)
    log.store.append([], [Evaluation(Stage.SELECTION, "p", score(0.2), 0)])
    assert [r.fitness for r in ranked(log)] == pytest.approx([math.log(1.5)])
    assert [r.fitness for r in ranked(log, Stage.SELECTION)] == pytest.approx([math.log(0.5)])


def test_fitness_is_from_mean_losses_of_each_task(log: Log) -> None:
    log.add_baseline([1.0, 3.0], task="b")
    log.add("p", [score(0.2), score(0.4, 1), score(1.0, task="b"), score(2.0, 1, task="b")])
    (row,) = ranked(log)
    assert row.fitness == pytest.approx((math.log(0.45 / 0.3) + math.log(2.0 / 1.5)) / 2)
    assert row.num_seeds == 4


def test_a_program_that_failed_once_is_a_failure(log: Log) -> None:
    log.add("p", [score(0.01), score(None, 1)])
    (row,) = ranked(log)
    assert (row.fitness, row.status) == (-math.inf, Status.DIVERGED)


def test_a_log_without_programs_ranks_nothing(log: Log, tmp_path: Path) -> None:
    assert ranked(log) == ranked(Log(tmp_path / "empty.db")) == []


# What the search's policies leave in the log.


def test_further_seeds_count_and_are_compared_on_their_own_seeds(log: Log) -> None:
    log.add("few", [score(0.2)])
    first = log.add("many", [score(0.2)])
    log.add("many", [score(0.6, 1)], Outcome.RESAMPLED, scored_id=first)
    by_hash = {row.hash: row for row in ranked(log)}
    assert (by_hash["few"].num_seeds, by_hash["many"].num_seeds) == (1, 2)
    assert by_hash["few"].fitness == pytest.approx(math.log(1.5))
    assert by_hash["many"].fitness == pytest.approx(math.log(0.45 / 0.4))


def test_a_second_chance_counts_in_place_of_the_first(log: Log) -> None:
    log.add("p", [score(None)])
    log.add("p", [score(0.2)], scored_id=0)
    (row,) = ranked(log)
    assert (row.status, row.num_seeds, row.individual.id) == (Status.OK, 1, 0)


def test_update_scales_that_were_not_kept_are_not_ranked(log: Log) -> None:
    log.add(
        "kept", [score(0.2)], others=[("proposed", score(0.5))], proposed_hash="proposed", update_scale=0.5
    )
    assert [row.hash for row in ranked(log)] == ["kept"]


def test_a_seed_counts_once_if_a_program_was_trained_under_two_names(log: Log) -> None:
    """With update scales: ``x`` as it was proposed, and as half of a later proposal."""
    log.add("x", [score(0.2), score(0.4, 1)])
    log.add("x", [score(0.2), score(0.4, 1)], others=[("twice x", score(0.9))], proposed_hash="twice x")
    (row,) = ranked(log)
    assert row.num_seeds == 2


def test_caution_and_prices_are_those_of_the_run(log: Log) -> None:
    assert judge_settings(log.store) == JudgeSettings()
    log.store.append([], [], {JUDGE_FACT: {"caution": 1.0, "state_price": 0.2, "statement_price": 0.0}})
    assert judge_settings(log.store) == JudgeSettings(1.0, 0.2, 0.0)
    log.add("dear", [score(0.2)], num_states=2)
    log.add("cheap", [score(0.25)])
    cheap, dear = ranked(log)
    error = math.log(2) / math.sqrt(2)  # of one seed: the deviation of two logarithms log(2) apart
    assert (cheap.hash, dear.hash) == ("cheap", "dear")
    assert (cheap.price, dear.price) == pytest.approx((0.0, 0.4))
    assert dear.judged == pytest.approx(math.log(1.5) - error - 0.4)
    assert dear.fitness == pytest.approx(math.log(1.5))


def test_what_trains_comes_before_what_fails_whatever_it_costs(log: Log) -> None:
    log.store.append([], [], {JUDGE_FACT: {"state_price": 1.0}})
    log.add("fails", [score(None)])
    log.add("dear", [score(0.5)], num_states=2)
    assert [row.hash for row in ranked(log)] == ["dear", "fails"]

"""A search from its first program to its last, from logs written by hand."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from logs import Log, score

from lion_search.results.history import read_history
from lion_search.results.judge import JudgeSettings
from lion_search.results.lines import ALL
from lion_search.results.ranking import rank
from lion_search.results.records import JUDGE_FACT, Outcome, Stage


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path / "log.db", {JUDGE_FACT: asdict(JudgeSettings())})
    log.add_baseline([0.3] * 8)
    return log


def lines(log: Log, **options: object) -> dict[str, list[tuple[int, int]]]:
    """By line, after how many programs which individual was best."""
    history = read_history(log.store, **options)  # type: ignore[arg-type]
    return {name: [(p.num_programs, p.best_id) for p in points] for name, points in history.best.items()}


def test_the_best_changes_where_a_better_one_is_trained_and_stays_to_the_end(log: Log) -> None:
    for loss in (0.3, 0.4, 0.2, None, 0.25):
        log.add(scores=[score(loss)])
    assert lines(log) == {ALL: [(1, 0), (3, 2), (5, 2)]}


def test_a_program_that_disappoints_on_further_seeds_loses_its_place(log: Log) -> None:
    for hash_, loss in (("a", 0.2), ("b", 0.1)):
        log.add(hash_, [score(loss)])
    log.add("b", [score(0.9, 1)], Outcome.RESAMPLED, scored_id=1)
    assert lines(log) == {ALL: [(1, 0), (2, 1), (3, 0), (3, 0)]}
    assert rank(log.store, Stage.SEARCH)[0].individual.id == 0


def test_each_population_has_a_line_and_a_hit_counts_for_who_met_it(log: Log) -> None:
    log.add("a", [score(0.2)], repeat=0)
    log.add("b", [score(0.25)], repeat=1)
    log.add("a", outcome=Outcome.SEEN, repeat=1, scored_id=0)
    assert lines(log) == {
        ALL: [(1, 0), (3, 0)],
        "population 1": [(1, 0), (3, 0)],
        "population 2": [(2, 1), (3, 0), (3, 0)],
    }


def test_each_niche_has_a_line(log: Log) -> None:
    for states, loss in ((2, 0.2), (1, 0.3), (1, 0.25)):
        log.add(scores=[score(loss)], num_states=states)
    found = lines(log, by_states=True)
    assert found["1 state"] == [(2, 1), (3, 2), (3, 2)]
    assert found[ALL] == [(1, 0), (3, 0)]


def test_windows_tell_hits_and_redundant_statements(log: Log) -> None:
    for number in range(100):
        is_hit = number >= 50 and number % 2 == 0
        outcome = Outcome.SAME_AS_PARENT if is_hit else Outcome.EVALUATED
        log.add(f"p{number}", outcome=outcome, num_statements=10, num_live_statements=10 - number // 50)
    first, second = read_history(log.store).windows
    assert (first.end, first.count, first.hit_rate, first.redundant_share) == (50, 50, 0.0, 0.0)
    assert (second.end, second.hit_rate, second.redundant_share) == (100, 0.5, pytest.approx(0.1))


def test_a_log_without_trainings_has_no_best(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db")
    assert read_history(log.store).best == {}
    log.add_baseline([0.3])
    assert read_history(log.store).best == {}

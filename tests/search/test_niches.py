"""Niches: programs compete with those of as many state arrays, each with a population, a hurdle, a best."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError
from searching import EVERYTHING, FakePool, changed, judge, log_of, make_search, settings

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.proxy_tasks.scores import Status
from lion_search.results.store import Store
from lion_search.search.niches import NICHES
from lion_search.search.settings import Budget, LoopSettings

NICHED = changed(EVERYTHING, niches="states", plateau=None, mutation=MutationSpace(), repeats=2)
COUNT = 400


def run(folder: Path, name: str, pool: FakePool, count: int = COUNT, own=NICHED):  # type: ignore[no-untyped-def]
    """Goes on with a log, or begins one."""
    path = folder / f"{name}.db"
    store = Store.reopen_or_create(path)
    search = make_search(store, pool, Budget(programs=count), own, judge=judge(1.0))
    search.replay_log()
    search.run()
    return search, log_of(store)


def test_the_settings_name_each_row() -> None:
    assert LoopSettings.model_fields["niches"].annotation.__args__ == tuple(NICHES)  # type: ignore[union-attr]


def test_the_log_is_the_same_for_any_number_of_workers_and_any_number_of_stops(tmp_path: Path) -> None:
    _, whole = run(tmp_path, "whole", FakePool(1))
    _, busy = run(tmp_path, "busy", FakePool(9, 3))
    assert busy == whole
    for stop in (60, 200, COUNT):
        _, stopped = run(tmp_path, "stopped", FakePool(5, stop), stop)
    assert stopped == whole


def test_a_child_of_each_niche_has_a_parent_of_it_or_the_initial_program(tmp_path: Path) -> None:
    """Proposals take turns among niches; where one is empty the initial program stands in."""
    own = changed(NICHED, repeats=1, hurdle=None, noise=None, update_scales=(1.0,), lag=4, population=20)
    _, (individuals, _) = run(tmp_path, "one", FakePool(1), own=own)
    states = {i.id: i.num_states for i in individuals}
    turns = Counter()  # type: ignore[var-annotated]
    for i in individuals[1:]:
        turn = i.draw % 3
        turns[turn, states[i.parent_id]] += 1
        assert states[i.parent_id] == turn or i.parent_id == 0
    assert min(turns[n, n] for n in range(3)) > 30


def loss_by_states(program: Program, task: str, seed: int) -> float:
    form = canonicalise(program)
    return 1.0 + form.num_states + int(form.hash[:4], 16) / 2**20


def test_a_hurdle_is_of_programs_with_as_many_states(tmp_path: Path) -> None:
    """Those of two states always lose against the others, and pass all the same."""
    own = settings(
        niches="states", population=30, lag=8, hurdle={"percentile": 90, "window": 50}, fingerprint=False
    )
    _, (individuals, _) = run(tmp_path, "hurdle", FakePool(1, losses=loss_by_states), 900, own)
    stopped = Counter(i.num_states for i in individuals if i.status is Status.STOPPED)
    passed = Counter(i.num_states for i in individuals if i.status is Status.OK)
    assert passed[2] > 5 * stopped[2]
    assert stopped[1], "though all of one state are better than any of two"
    assert stopped[2]


def test_each_niche_has_a_best_of_its_own(tmp_path: Path) -> None:
    search, (individuals, _) = run(tmp_path, "frontier", FakePool(4, 1))
    best = [hall.best() for hall in search._timeline.state._halls]
    states = {i.id: i.num_states for i in individuals}
    assert [states[member.id] for member in best if member] == [0, 1, 2]


def test_a_search_with_niches_is_not_restarted() -> None:
    with pytest.raises(ValidationError, match="a search with niches is not restarted"):
        settings(niches="states", plateau=100)


def test_a_program_without_states_has_one_niche() -> None:
    assert NICHES["states"].count(library_program("sign_descent")) == 1
    assert NICHES["none"].count(library_program("adamw")) == 1

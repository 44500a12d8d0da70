"""What comes in from other islands is a part of the own log, from which a search goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from searching import (
    ADAMW,
    EVERYTHING,
    NOISE,
    A,
    FakePool,
    Log,
    baseline,
    changed,
    fake_loss,
    log_of,
    make_search,
    prefix_of,
)

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program
from lion_search.results.records import (
    BASELINE_SUBJECT,
    EXCHANGED_FACT,
    HITS,
    IMMIGRANT,
    NOVEL,
    Evaluation,
    Immigrant,
    Stage,
)
from lion_search.results.store import Store
from lion_search.search.driver import Search
from lion_search.search.islands import Exchange, Migrant
from lion_search.search.replay import ReplayError
from lion_search.search.settings import Budget, Order, SearchSettings

EVERY, COUNT = 60, 260
LION, SIGNUM = library_program("lion"), library_program("signum")
COMES = {
    60: [],
    120: [Migrant("s.2:7", format_program(LION)), Migrant("s.3:0", format_program(ADAMW))],
    180: [Migrant("s.2:9", format_program(A))],
    240: [Migrant("s.2:9", format_program(A)), Migrant("s.2:40", format_program(SIGNUM))],
}
"""A program that is new, the initial one, one with no state, and that one once more."""


def asks(places: Sequence[int]) -> Exchange:
    """Answers at these places, and is not asked anywhere else."""
    left = iter(places)
    return Exchange(EVERY, lambda: COMES[next(left)])


def losses(program: Program, task: str, seed: int) -> float | None:
    """Lion is far ahead."""
    return 0.01 if program == canonicalise(LION).program() else fake_loss(program, task, seed)


def everything(
    store: Store, exchange: Exchange | None, settings: SearchSettings = EVERYTHING, count: int = COUNT
) -> Search:
    pool = FakePool(7, seed=3, losses=losses)
    return make_search(store, pool, Budget(programs=count), settings, exchange=exchange)


def begun(folder: Path, name: str = "whole") -> Store:
    store = Store.create(folder / f"{name}.db", {})
    store.append([], [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, score) for score in baseline(NOISE)])
    return store


def killed(folder: Path, log: Log, came: Sequence[Immigrant], count: int, asked: int) -> Store:
    """The log after so many individuals, the others having been asked at a place at last."""
    store = begun(folder, f"killed at {count}")
    known = [one for one in came if one.draw < asked + EVERY]
    store.append(*prefix_of(log, count), {EXCHANGED_FACT: asked}, known)
    return store


def search_log(store: Store) -> Log:
    individuals, evaluations = log_of(store)
    return individuals, [e for e in evaluations if e.individual_id is not None]


def test_immigrants_take_the_place_of_proposals_and_are_trained_like_any_program(tmp_path: Path) -> None:
    """One that is known shares its scores; they have children; nobody is asked before the first place."""
    store = begun(tmp_path)
    everything(store, asks([*COMES])).run()
    individuals = list(store.individuals())
    came = [i for i in individuals if i.mutation == IMMIGRANT]
    assert [(i.id, i.parent_id, i.repeat) for i in came] == [
        (120, None, 0), (121, None, 1), (180, None, 0), (240, None, 0), (241, None, 1),
    ]  # fmt: skip
    expected = [LION, ADAMW, A, A, SIGNUM]
    assert [i.proposed_hash for i in came] == [functional_hash(program) for program in expected]
    assert [i.outcome in NOVEL for i in came] == [True, False, True, False, True]
    assert came[1].outcome in HITS
    assert {i.id for i in came} & {i.parent_id for i in individuals}
    assert store.run_facts()[EXCHANGED_FACT] == 240


def test_a_killed_search_goes_on_to_the_same_log(tmp_path: Path) -> None:
    """Wherever it was killed; what was asked for before is in its log and not asked for again."""
    whole = begun(tmp_path)
    everything(whole, asks([*COMES])).run()
    log, came = search_log(whole), whole.immigrants()
    lag = EVERYTHING.loop.lag
    for count, asked in ((59, 60), (119, 120), (121, 120), (200, 180)):
        assert asked <= count + lag
        store = killed(tmp_path, log, came, count, asked)
        search = everything(store, asks([place for place in COMES if place > asked]))
        search.replay_log()
        search.run()
        assert search_log(store) == log
        assert store.immigrants() == came
        store.close()


def test_in_asynchronous_order_a_killed_search_is_replayed_with_what_came_in(tmp_path: Path) -> None:
    """Also where some of its proposals were lost."""
    settings = changed(EVERYTHING, order=Order.ASYNCHRONOUS)
    whole = begun(tmp_path)
    everything(whole, asks([*COMES]), settings).run()
    log, came = search_log(whole), whole.immigrants()
    for count in (119, 121):
        asked = max(i.draw for i in log[0][:count]) // EVERY * EVERY
        store = killed(tmp_path, log, came, count, asked)
        search = everything(store, asks([place for place in COMES if place > asked]), settings)
        search.replay_log()
        search.run()
        assert store.num_individuals() == COUNT
        assert store.immigrants() == came
        store.close()


@pytest.mark.parametrize("change", [lambda one: A, lambda one: None], ids=["another", "none"])
def test_a_log_with_other_immigrants_than_its_own_is_refused(
    tmp_path: Path, change: Callable[[Immigrant], object]
) -> None:
    whole = begun(tmp_path)
    everything(whole, asks([*COMES]), count=150).run()
    log, (lion, adamw) = search_log(whole), whole.immigrants()
    other = change(lion)
    came = [adamw] if other is None else [Immigrant(lion.draw, lion.origin, format_program(A)), adamw]
    with pytest.raises(ReplayError, match="individual 120 is not"):
        everything(killed(tmp_path, log, came, 150, 120), asks([])).replay_log()

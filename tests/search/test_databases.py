"""A whole search in each kind of database."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from searching import EVERYTHING, NOISE, FakePool, baseline, log_of, make_search

from lion_search.results.digest import leaders
from lion_search.results.location import islands, study_of, with_study
from lion_search.results.records import BASELINE_SUBJECT, IMMIGRANT, Evaluation, Stage
from lion_search.results.store import Store
from lion_search.search.islands import Exchange, Migrant
from lion_search.search.settings import Budget, SearchSettings


def test_a_search_writes_the_same_log_into_any_database(database: str, tmp_path: Path) -> None:
    """And goes on from it: half of the log in the tested database was made by a search before."""
    log = []
    for url, halts in ((database, (150, 300)), (tmp_path / "other.db", (300,))):
        Store.create(url, {}).close()
        for halt in halts:
            store = Store.reopen(url)
            search = make_search(store, FakePool(7, seed=1), Budget(programs=halt), EVERYTHING)
            search.replay_log()
            search.run()
            store.close()
        log.append(log_of(Store.open(url)))
    assert log[0] == log[1]


# Islands: searches of one study, each with its own log in the same database.

EVERY = 50


def island(shared: str, number: int) -> str:
    return with_study(shared, f"s.{number}")


def asks(shared: str, number: int) -> Exchange:
    """For the best two of the other islands."""

    def others() -> list[Migrant]:
        found = []
        for url in islands(island(shared, number)):
            if url != island(shared, number):
                with closing(Store.open(url)) as store:
                    best = [row.individual for row in leaders(store, 2)]
                found += [Migrant(f"{study_of(url)}:{one.id}", one.program) for one in best]
        return found

    return Exchange(EVERY, others)


def search_on(shared: str, number: int, count: int, settings: SearchSettings, exchange: Exchange) -> None:
    """Searches on an island up to so many programs, from where its log is."""
    store = Store.reopen(island(shared, number))
    search = make_search(
        store,
        FakePool(7, seed=count),
        Budget(programs=count),
        settings,
        seed=f"0.{number}",
        exchange=exchange,
    )
    search.replay_log()
    search.run()
    store.close()


@pytest.fixture
def shared(database: str, tmp_path: Path) -> str:
    """A database with three islands, on which nothing has been done."""
    url = f"sqlite:///{tmp_path}/studies" if database.startswith("sqlite") else database
    scores = [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, score) for score in baseline(NOISE)]
    for number in (1, 2, 3):
        store = Store.create(island(url, number), {})
        store.append([], scores)
        store.close()
    return url


def test_islands_in_one_database_take_in_the_best_of_the_others(shared: str) -> None:
    """One that has only begun hinders nobody."""
    for number, count in ((1, 120), (2, 60), (1, 170)):
        search_on(shared, number, count, EVERYTHING, asks(shared, number))
    came = {}
    for number in (1, 2):
        with closing(Store.open(island(shared, number))) as store:
            came[number] = store.immigrants()
            individuals = list(store.individuals())
        assert [i.id for i in individuals if i.mutation == IMMIGRANT] == [one.draw for one in came[number]]
    assert [one.draw for one in came[1]] == [150, 151], "nobody was there at 50 and 100"
    assert [one.draw for one in came[2]] == [50, 51]
    for own, other in ((1, 2), (2, 1)):
        for one in came[own]:
            name, _, number_there = one.origin.partition(":")
            assert name == f"s.{other}"
            with closing(Store.open(island(shared, other))) as store:
                assert store.programs([int(number_there)]) == [one.program]

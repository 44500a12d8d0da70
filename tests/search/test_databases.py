"""Whole searches in each kind of database."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from searching import EVERYTHING, NOISE, FakePool, Log, baseline, log_of, make_search

from lion_search.results.digest import frontier_leaders, leaders
from lion_search.results.history import read_history
from lion_search.results.location import islands, sqlite_url, study_of, with_study
from lion_search.results.records import (
    BASELINE_SUBJECT,
    DIGEST_FACT,
    IMMIGRANT,
    Evaluation,
    Immigrant,
    Stage,
)
from lion_search.results.schema import EVALUATIONS, INDIVIDUALS, PROGRAMS, RUN, SCHEMA_VERSION
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


# Logs of earlier schemas. What a schema added to the one before is all that an older log lacks.

HALF, COUNT = 130, 200


@pytest.fixture(scope="module")
def logs_before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Log]:
    """A log of half a search, and what the whole search's is."""
    path = tmp_path_factory.mktemp("logs") / "half.db"
    store = begun(path)
    make_search(store, FakePool(7, seed=1), Budget(programs=HALF), EVERYTHING).run()
    store.close()
    whole = begun(path.with_name("whole.db"))
    make_search(whole, FakePool(7, seed=1), Budget(programs=COUNT), EVERYTHING).run()
    return path, log_of(whole)


def begun(url: str | Path) -> Store:
    """A log with the baseline's scores, as the fittest programs are told by."""
    store = Store.create(url, {})
    store.append([], [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, score) for score in baseline(NOISE)])
    return store


def write_as(version: int, url: str, source: Path) -> None:
    """Writes a log as a program of an earlier schema would have."""
    lacking = {"seen", "retry_of"} if version < 3 else set()
    tables = (RUN, INDIVIDUALS, EVALUATIONS, *((PROGRAMS,) if version > 3 else ()))
    old = sa.MetaData()
    with sa.create_engine(sqlite_url(source)).begin() as here, sa.create_engine(url).begin() as there:
        for table in tables:
            columns = [c for c in table.c if c.name not in lacking]
            copies = [sa.Column(c.name, c.type, primary_key=c.primary_key) for c in columns]
            made = sa.Table(table.name, old, *copies)
            made.create(there)
            kept = [c for c in columns if c is not EVALUATIONS.c.id]  # which the database counts itself
            rows = here.execute(sa.select(*kept).order_by(*table.primary_key))
            there.execute(sa.insert(made), [dict(row._mapping) for row in rows])
        facts = RUN.c
        there.execute(sa.update(RUN).where(facts.key == "schema_version").values(value=str(version)))
        if version < 4:
            there.execute(sa.delete(RUN).where(facts.key == DIGEST_FACT))


@pytest.mark.parametrize("version", range(2, SCHEMA_VERSION))
def test_a_log_of_an_earlier_schema_is_read_and_gone_on_with(
    database: str, version: int, logs_before: tuple[Path, Log]
) -> None:
    """It is read as it is, and brought up to date by who goes on with it."""
    source, (individuals, evaluations) = logs_before
    write_as(version, database, source)
    expected = [replace(i, seen=None, retry_of=None) if version < 3 else i for i in individuals[:HALF]]
    with closing(Store.open(database)) as reader, closing(Store.open(source)) as new:
        assert list(reader.individuals()) == expected
        assert [row.individual.id for row in leaders(reader, 9)] == [
            row.individual.id for row in leaders(new, 9)
        ]
        assert list(frontier_leaders(reader, 3)) == list(frontier_leaders(new, 3))
        assert read_history(reader, by_states=True) == read_history(new, by_states=True)
        assert reader.immigrants() == []
        assert reader.run_facts()["schema_version"] == version
    store = Store.reopen(database)
    search = make_search(store, FakePool(7, seed=1), Budget(programs=COUNT), EVERYTHING)
    search.replay_log()
    search.run()
    store.append([], [], {}, [Immigrant(COUNT, "s.2:1", "a program")])
    assert store.run_facts()["schema_version"] == SCHEMA_VERSION
    store.close()
    with closing(Store.reopen(database)) as again:  # and nothing more is to be done
        assert log_of(again) == ([*expected, *individuals[HALF:]], evaluations)
        assert len(again.immigrants()) == 1


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
    for number in (1, 2, 3):
        begun(island(url, number)).close()
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

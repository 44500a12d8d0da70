"""Studies: logs that share a database, and know nothing of each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from logs import individual

from lion_search.results.location import StoreError, islands, studies, study_of, with_study
from lion_search.results.store import Store


@pytest.fixture
def shared(database: str, tmp_path: Path) -> str:
    """A database for several studies of each kind; of SQLite a folder, which need not be there."""
    return f"sqlite:///{tmp_path}/studies" if database.startswith("sqlite") else database


def test_studies_share_a_database_and_nothing_else(shared: str) -> None:
    """Each is written, listed, read and gone on with for itself."""
    names = ["a", "lion.1", "lion.2", "lion.10", "lion-2"]
    for number, name in enumerate(names):
        with_ = Store.create(with_study(shared, name), {"name": name})
        with_.append([individual(n) for n in range(number)], [])
        with_.close()
        again = Store.reopen(with_study(shared, name))
        again.append([individual(number)], [])
        again.close()
    for number, name in enumerate(names):
        reader = Store.open(with_study(shared, name))
        assert reader.run_facts()["name"] == name
        assert reader.num_individuals() == number + 1
    assert studies(shared) == ["a", "lion.1", "lion.2", "lion.10", "lion-2"]
    assert [study_of(url) for url in islands(with_study(shared, "lion.2"))] == ["lion.1", "lion.2", "lion.10"]
    assert islands(with_study(shared, "lion")) == islands(with_study(shared, "lion.7"))
    assert islands(with_study(shared, "a")) == islands(shared) == []


def test_a_study_that_is_there_is_not_made_again_and_one_that_is_not_is_not_read(shared: str) -> None:
    Store.create(with_study(shared, "a"), {"kept": 1}).close()
    with pytest.raises(StoreError, match="study=a already holds a run"):
        Store.create(with_study(shared, "a"), {})
    assert Store.open(with_study(shared, "a")).run_facts()["kept"] == 1
    for use in (Store.open, Store.reopen):
        with pytest.raises(StoreError, match=r"holds no run|no database at"):
            use(with_study(shared, "b"))
    assert studies(shared) == ["a"]


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a.1.2", "../a", 'a"; DROP', "x" * 51])
def test_a_name_that_no_database_could_keep_is_refused(shared: str, name: str) -> None:
    with pytest.raises(StoreError, match="no study can be called"):
        with_study(shared, name)


def test_a_study_needs_a_database_that_can_hold_several(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_text("")
    with pytest.raises(StoreError, match="with a study it names a folder of SQLite files"):
        Store.create(with_study(f"sqlite:///{tmp_path}/log.db", "a"), {})

"""Search methods as rows: the table, and a stranger's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from documented import code_with
from searching import FakePool, log_of, make_search, settings

from lion_search.dsl.errors import LionSearchError
from lion_search.results.store import Store
from lion_search.search.methods.table import METHODS, find_method, settings_class
from lion_search.search.settings import Budget, LoopSettings


@pytest.fixture
def hills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The reference of the documentation's method, in a folder of its own."""
    (tmp_path / "hills.py").write_text(code_with("class HillClimbing"))
    monkeypatch.syspath_prepend(tmp_path)
    return "hills:HillClimbing"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_searches_and_its_settings_are_stated(tmp_path: Path, name: str) -> None:
    row = METHODS[name]
    assert all(field.description for field in row.settings.model_fields.values())
    store = Store.create(tmp_path / "log.db", {})
    make_search(store, FakePool(4), Budget(programs=60), settings(method=name, lag=8)).run()
    assert len(log_of(store)[0]) == 60


def test_a_strangers_method_searches_alike_with_any_number_of_workers(tmp_path: Path, hills: str) -> None:
    own = settings(method=hills, patience=20, lag=10)
    logs = []
    for capacity in (1, 9):
        store = Store.create(tmp_path / f"{capacity}.db", {})
        make_search(store, FakePool(capacity, capacity), Budget(programs=150), own).run()
        logs.append(log_of(store))
    assert logs[0] == logs[1]
    parents = {i.parent_id for i in logs[0][0]}
    assert 3 <= len(parents) < 60, "most are children of a best"


def test_a_strangers_method_goes_on_from_its_log(tmp_path: Path, hills: str) -> None:
    own = settings(method=hills, patience=20, lag=10)
    logs = {}
    for name, stops in (("whole", [120]), ("resumed", [50, 120])):
        store = Store.create(tmp_path / f"{name}.db", {})
        for stop in stops:
            search = make_search(store, FakePool(5, stop), Budget(programs=stop), own)
            search.replay_log()
            search.run()
        logs[name] = log_of(store)
    assert logs["whole"] == logs["resumed"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("evolutoin", "unknown method 'evolutoin'; did you mean 'evolution'"),
        ("nowhere:Method", "cannot import search method"),
        ("math:pi", "'math:pi' is no search method: it has no choose, make, apply, best, living"),
    ],
)
def test_what_is_no_method_is_refused(name: str, message: str) -> None:
    with pytest.raises(LionSearchError, match=message):
        find_method(name)


def test_the_settings_of_shipped_methods_may_stand_side_by_side(hills: str) -> None:
    """A configuration keeps its keys when its method is changed; a stranger's are its own."""
    shipped = settings_class("random")
    assert all(set(row.settings.model_fields) <= set(shipped.model_fields) for row in METHODS.values())
    assert set(settings_class(hills).model_fields) == {*LoopSettings.model_fields, "patience"}

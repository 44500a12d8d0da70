"""A whole search in each kind of database."""

from __future__ import annotations

from pathlib import Path

from searching import EVERYTHING, FakePool, log_of, make_search

from lion_search.results.store import Store
from lion_search.search.settings import Budget


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

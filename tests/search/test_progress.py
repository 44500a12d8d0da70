"""A search's own counts are those that statistics read from its log."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from searching import EVERYTHING, PLAIN, FakePool, changed, judge, make_search

from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.proxy_tasks.scores import Status
from lion_search.results.records import PROGRESS_FACT, Outcome
from lion_search.results.statistics import statistics
from lion_search.results.store import Store
from lion_search.search.progress import Progress
from lion_search.search.settings import Budget, Order, SearchSettings

SEARCHES = {
    "plain": PLAIN,
    "all policies, with rejects": EVERYTHING,
    "niches": changed(EVERYTHING, niches="states", plateau=None, mutation=MutationSpace(), repeats=2),
    "asynchronous": changed(EVERYTHING, order=Order.ASYNCHRONOUS),
}


def searched(path: Path, own: SearchSettings, *budgets: int) -> tuple[Progress, Store]:
    """A search that was stopped after each budget but the last, and gone on with."""
    for budget in budgets:
        store = Store.reopen_or_create(path)
        search = make_search(store, FakePool(5, 3), Budget(programs=budget), own, judge=judge(1.0))
        search.replay_log()
        progress = search.run()
    return progress, store


@pytest.mark.parametrize("budgets", [(400,), (130, 250, 400)], ids=["at once", "stopped twice"])
@pytest.mark.parametrize("name", SEARCHES)
def test_each_count_has_one_value_in_every_view_of_a_run(
    tmp_path: Path, name: str, budgets: tuple[int, ...]
) -> None:
    """What the search tells, what it leaves for others to look at, and what is read from its log."""
    told, store = searched(tmp_path / "log.db", SEARCHES[name], *budgets)
    found = statistics(store)
    failed = {status: count for status, count in found.statuses.items() if status != Status.OK}
    assert asdict(told) == store.run_facts()[PROGRESS_FACT]
    assert told.num_programs == found.programs == found.hits + found.evaluated + found.reused
    assert (told.num_evaluated, told.num_novel) == (found.evaluated, found.novel)
    assert told.hits == {name: getattr(found, name) for name in told.hits}
    assert told.failures == failed
    assert sum(found.statuses.values()) == found.evaluated
    assert (told.hit_rate, told.seconds) == (found.hit_rate, found.search_seconds)
    assert told.stopped_share == pytest.approx(found.saved_share)
    assert told.redundant_share == pytest.approx(found.redundant_share)
    assert sum(count.programs for count in found.mutations.values()) == found.programs
    assert sum(count.novel for count in found.mutations.values()) == found.novel


def test_the_searches_above_have_something_to_count(tmp_path: Path) -> None:
    """Trainings on further seeds, programs that a hurdle stopped, mutations of several kinds."""
    told, store = searched(tmp_path / "log.db", EVERYTHING, 400)
    found = statistics(store)
    assert min(found.resampled, found.stopped, found.seen, told.failures[Status.DIVERGED]) > 0
    assert Counter(store.counts())[Outcome.RESAMPLED] == found.resampled
    assert found.mutations["several kinds"].programs > 0

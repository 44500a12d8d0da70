"""A study as a whole: the best programs of all its islands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing

from lion_search.proxy_tasks.scores import Status
from lion_search.results.digest import frontier_leaders, leaders
from lion_search.results.location import study_of
from lion_search.results.ranking import Ranked, judge_settings
from lion_search.results.store import Store

Placed = tuple[str, Ranked]
"""An island's name and one of its programs."""


def best_of_study(logs: Sequence[str], count: int) -> tuple[list[Placed], bool]:
    """The best programs of all islands, each once, and whether prices are taken off their fitness.

    Args:
        logs: URLs of the islands' logs.
        count: how many programs.

    Raises:
        StoreError: a log cannot be read.
    """
    found: list[Placed] = []
    has_prices = False
    for url in logs:
        with closing(Store.open(url)) as store:
            found += [(study_of(url) or "", row) for row in leaders(store, count)]
            has_prices = has_prices or judge_settings(store).has_prices
    return ranked_once(found)[:count], has_prices


def frontier_of_study(stores: Iterable[tuple[str, Store]]) -> dict[int, Placed]:
    """The best of all islands with each number of state arrays, from the fewest."""
    found: dict[int, list[Placed]] = {}
    for name, store in stores:
        for number, rows in frontier_leaders(store, 1).items():
            found.setdefault(number, []).extend((name, row) for row in rows)
    return {number: ranked_once(found[number])[0] for number in sorted(found)}


def ranked_once(found: Iterable[Placed]) -> list[Placed]:
    """Programs of several islands, the best first; of one that several have, the one with the most seeds."""
    once: dict[str, Placed] = {}
    for placed in found:
        row = placed[1]
        before = once.get(row.hash)
        if before is None or row.num_seeds > before[1].num_seeds:
            once[row.hash] = placed
    return sorted(once.values(), key=lambda placed: _rank(placed[1]), reverse=True)


def _rank(row: Ranked) -> tuple[bool, float]:
    return row.status is Status.OK, row.judged

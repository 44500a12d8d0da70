"""How a search went, program by program, read from its log: the best so far and what became of all.

Where :mod:`curves` asks what a search knew after so much compute, this follows it over its programs, which is
how a person watches one: for all together, for each population, for each niche.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lion_search.results.digest import Digest, read_digest
from lion_search.results.lines import ALL, BestPoint, Kind
from lion_search.results.queries import Window, windows
from lion_search.results.store import Store

_WINDOWS = 100
_LEAST_WINDOW = 50


@dataclass(frozen=True, slots=True)
class History:
    """A search from its first program to its last.

    Attributes:
        num_programs: individuals in the log.
        best: by line, ``ALL`` the first, the places at which the best changed, and the end.
        niches: the lines of these that are niches.
        windows: what became of its programs, some hundred or thousand at a time.
    """

    num_programs: int
    best: dict[str, tuple[BestPoint, ...]]
    niches: tuple[str, ...]
    windows: list[Window]


def read_history(store: Store, *, by_states: bool = False, digest: Digest | None = None) -> History:
    """Reads the history of a search, also of one that goes on.

    Populations get a line each where there are several; a program that several have met counts for each.

    Args:
        store: the run's log.
        by_states: whether the programs of each number of state arrays have a line, too.
        digest: of the log with its lines, where it was read in the same moment.
    """
    with store.moment():
        digest = digest or read_digest(store, with_lines=True)
        size = max(_LEAST_WINDOW, math.ceil(digest.num_individuals / _WINDOWS))
        found = {} if digest.lines is None else digest.lines.ended(digest.num_individuals)
        has_populations = len({group.repeat for group in digest.individuals}) > 1
        shown = {Kind.ALL: True, Kind.STATES: by_states, Kind.POPULATION: has_populations}
        best = {key.title: points for key, points in found.items() if shown[key.kind]}
        niches = tuple(key.title for key in found if by_states and key.kind is Kind.STATES)
        return History(digest.num_individuals, best, niches or (ALL,), windows(store, size))

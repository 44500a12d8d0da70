"""Islands: searches of one study, each with a log of its own, that take in each other's best.

At each place of its log that is a multiple of ``every`` a search asks for what the others have by then.
That is committed to its own log before anything is made of it, also that nobody was there; the programs then
take the place of as many proposals. So a search follows from its config, its seed and what came in, and is
replayed from its own log alone: another island may be far ahead, stand still or be gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lion_search.dsl.settings import PositiveInt, Settings
from lion_search.results.records import EXCHANGED_FACT, Immigrant
from lion_search.results.store import Store


class IslandSettings(Settings):
    """Several drivers search for one study, each on an island of its own; they take in each other's best."""

    island: PositiveInt = 1
    """Which one this driver searches on; it also chooses the random numbers."""
    every: PositiveInt = 1000
    """After so many programs of its own it takes in what the others have."""
    migrants: PositiveInt = 1
    """So many from each of the others: their best, in each niche."""


@dataclass(frozen=True, slots=True)
class Migrant:
    """One of the best of another island: the individual it is there, ``STUDY.ISLAND:ID``, and its genome."""

    origin: str
    program: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """When a search takes in what the other islands have, and how it asks them.

    Attributes:
        every: after so many programs.
        others: asks for the best of the others at this moment, the most important first.
    """

    every: int
    others: Callable[[], Sequence[Migrant]]


class Immigration:
    """What came in, and what comes next."""

    def __init__(self, exchange: Exchange | None, store: Store) -> None:
        self._exchange = exchange
        self._store = store
        self._last = 0

    def logged(self) -> list[Immigrant]:
        """All that came in so far, by the log."""
        self._last = self._store.run_facts().get(EXCHANGED_FACT, 0)
        return self._store.immigrants()

    def is_due(self, draw: int) -> bool:
        """Whether the others are asked before this proposal is made."""
        exchange = self._exchange
        return exchange is not None and draw > self._last and draw % exchange.every == 0

    def at(self, draw: int) -> list[Immigrant]:
        """Asks the others, and commits what comes in from this proposal on.

        Raises:
            StoreError: the search's own log cannot be written.
        """
        assert self._exchange is not None
        came = self._exchange.others()[: self._exchange.every]
        found = [Immigrant(place, one.origin, one.program) for place, one in enumerate(came, start=draw)]
        self._store.append((), (), {EXCHANGED_FACT: draw}, found)  # also that nobody came
        self._last = draw
        return found

"""What has been proposed and the state has not learned of yet: all of a search that is of the moment.

An individual is in flight from its proposal until the state learns of it: while its scores are awaited, and
once it is in the log, as long as the lag hides it from proposals.
"""

from __future__ import annotations

from collections.abc import Hashable, Set
from dataclasses import dataclass

from lion_search.dsl.equivalence.canonical import Canonical
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import JobResult
from lion_search.results.records import Individual, Outcome
from lion_search.search.members import Entry
from lion_search.search.methods.method import Child, Choice


@dataclass(slots=True, eq=False)
class Training:
    """One job and, once it is back, what came of it."""

    result: JobResult | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A genome that was proposed.

    Attributes:
        draw: its number; its random stream comes from it.
        repeat: its population.
        seen: how many individuals of the log the state had learned of.
        choice: what it was made from.
        child: the genome.
    """

    draw: int
    repeat: int
    seen: int
    choice: Choice
    child: Child


@dataclass(frozen=True, slots=True)
class Scaled:
    """A genome with its update multiplied by a factor, and its canonical form."""

    program: Program
    canonical: Canonical
    scale: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """An individual that has been proposed and not committed.

    Attributes:
        proposal: its genome as proposed.
        entry: whose scores it shares.
        training: what it waits for; ``None`` if the scores are known.
        outcome: what is done with it.
        fingerprint: where it was computed.
        is_kept: whether its genome is what was kept of the entry, not what is still to be scaled like it.
        is_new: whether the entry was made for it.
        alternatives: the genome at the other update scales, if these are trained too.
    """

    proposal: Proposal
    entry: Entry
    training: Training | None
    outcome: Outcome
    fingerprint: str | None = None
    is_kept: bool = False
    is_new: bool = False
    alternatives: tuple[Scaled, ...] = ()


@dataclass(frozen=True, slots=True)
class _Flight:
    """What one individual holds while it is in flight."""

    keys: tuple[str, ...]
    entry: Entry
    training: Training | None
    takes: tuple[int, Hashable] | None


class InFlight:
    """See the module."""

    def __init__(self, num_repeats: int) -> None:
        self._flights: dict[int, _Flight] = {}
        self._entries: dict[str, Entry] = {}
        self._trainings: dict[Entry, Training] = {}
        self._origins: dict[Entry, tuple[int, float]] = {}
        self._taken: list[set[Hashable]] = [set() for _ in range(num_repeats)]

    def find(self, key: str) -> Entry | None:
        """The entry by a key that an individual in flight brought in."""
        return self._entries.get(key)

    def training(self, entry: Entry) -> Training | None:
        """The training that was asked for and not applied; a program has one at a time at the most."""
        return self._trainings.get(entry)

    def taken(self, repeat: int) -> Set[Hashable]:
        """What choices of a repeat have used up of what its method keeps."""
        return self._taken[repeat]

    def origin(self, entry: Entry) -> tuple[int, float]:
        """Once that is committed: the individual an entry was made for, and the scale of what was kept."""
        return self._origins.get(entry) or (entry.id, entry.scale)

    def add(
        self,
        draw: int,
        repeat: int,
        choice: Choice,
        entry: Entry,
        *,
        keys: tuple[str, ...] = (),
        training: Training | None = None,
    ) -> None:
        """Takes off.

        Args:
            draw: the number of the proposal.
            repeat: its population.
            choice: what it was made from.
            entry: whose scores it shares.
            keys: by which its program is found and was not before.
            training: what was asked for, for it.
        """
        takes = None if choice.takes is None else (repeat, choice.takes)
        self._flights[draw] = _Flight(keys, entry, training, takes)
        self._entries.update(dict.fromkeys(keys, entry))
        if training is not None:
            self._trainings[entry] = training
        if takes is not None:
            self._taken[repeat].add(takes[1])

    def commit(self, individual: Individual, entry: Entry) -> None:
        """Notes that an individual is in the log."""
        if individual.scored_id == individual.id:
            self._origins[entry] = individual.id, individual.update_scale

    def land(self, individual: Individual) -> None:
        """Forgets an individual that the state has learned of."""
        flight = self._flights.pop(individual.draw)
        for key in flight.keys:
            del self._entries[key]
        if flight.training is not None:
            del self._trainings[flight.entry]
        if flight.takes is not None:
            repeat, token = flight.takes
            self._taken[repeat].discard(token)
        if individual.scored_id == individual.id:
            del self._origins[flight.entry]

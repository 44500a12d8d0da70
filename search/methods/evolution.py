"""Regularized evolution: the fittest of a random tournament has a child, the oldest member dies.

After Real et al. (2019) and Chen et al. (section 3). Beyond the paper: a child that fails may be kept out,
and its parent mutated again; a population without progress may be restarted from the best of all.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Hashable, Iterable, Set
from dataclasses import dataclass, field, replace

from lion_search.results.leaders import Leaders
from lion_search.results.records import TRAINED, Outcome
from lion_search.search.members import Entry, Event, Member
from lion_search.search.methods.method import (
    INITIAL,
    MUTATED,
    RESTART,
    Child,
    Choice,
    Start,
    make_child,
    mutated_child,
    taken_by,
)
from lion_search.search.niches import NICHES
from lion_search.search.population import Population, hall_of_fame
from lion_search.search.settings import PopulationSettings

MAX_RETRIES = 8
"""Most times in a row that one parent is mutated again because its child was rejected."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A parent that is to be mutated again, and how often in a row it will then have been."""

    parent: Member
    count: int


@dataclass(slots=True)
class Niche:
    """Programs that compete with each other.

    Attributes:
        population: the living.
        hall: the best since it began or was restarted.
        retries: by the rejected child, whose turn it is.
    """

    population: Population
    hall: Leaders[Entry, Member] = field(default_factory=hall_of_fame)
    retries: dict[int, Retry] = field(default_factory=dict)


class Evolution:
    """The populations of one repeat: one for each niche, which take turns. See the module.

    Args:
        start: what it begins with.
        kinds: the only kinds of mutation; by default those of the settings.
    """

    settings = PopulationSettings

    def __init__(self, start: Start, kinds: tuple[str, ...] = ()) -> None:
        own = start.settings.loop
        assert isinstance(own, PopulationSettings)
        self._own = own
        space = start.settings.mutation
        self._search = replace(start.settings, mutation=space.only(*kinds) if kinds else space)
        self._initial = start.founder.program
        count = NICHES[own.niches].count(self._initial)
        self._niches = [Niche(Population(start.founder, own.population)) for _ in range(count)]
        self._era = 0
        self._is_restarting = False
        self._since_best = 0

    def choose(self, index: int, rng: random.Random, taken: Set[Hashable]) -> Choice:
        """The initial program, then whose turn it is, else the winner of a tournament."""
        niche = self._niches[index % len(self._niches)]
        if index == 0:
            return Choice(INITIAL, None, self._era)
        if self._is_restarting and (RESTART, self._era) not in taken:
            return Choice(RESTART, niche.population[0], self._era)
        for rejected, retry in niche.retries.items():
            if rejected not in taken:
                return Choice(MUTATED, retry.parent, self._era, rejected)
        size = len(niche.population)
        contestants = [niche.population[rng.randrange(size)] for _ in range(self._own.tournament)]
        return Choice(MUTATED, max(contestants, key=lambda member: member.judged), self._era)

    def make(self, choice: Choice, rng: random.Random) -> Child:
        """The initial program, the one restarted from, or the parent with mutations."""
        if choice.kind == INITIAL:
            return make_child(INITIAL, self._initial)
        assert choice.parent is not None
        if choice.kind == RESTART:
            return make_child(RESTART, choice.parent.program)
        return mutated_child(choice.parent, self._search, rng)

    def apply(self, event: Event, best_of_all: Callable[[], Member | None]) -> None:
        """The individual enters its niche, or is rejected; the population may be restarted."""
        member, individual = event.member, event.individual
        home = self._niches[member.entry.niche]
        origin = self._niches[individual.draw // self._own.repeats % len(self._niches)]
        count = self._use_up(event, origin)
        if individual.mutation == INITIAL:
            self._begin(member, home)
        if individual.era != self._era:  # proposed before the restart: no parent, but it may be the best
            if event.scores and event.is_ok:
                home.hall.offer(member.entry, member)
            return
        if self._search.hurdle.rejects and not event.is_ok:
            if event.parent is not None and count < MAX_RETRIES:
                origin.retries[individual.id] = Retry(event.parent, count + 1)
        else:
            home.population.add(member)
        self._note_progress(event, home)
        self._restart_if_stuck(best_of_all)

    def best(self) -> Member | None:
        """The best since it began or was restarted."""
        found = [best for niche in self._niches if (best := niche.hall.best()) is not None]
        return max(found, key=lambda member: member.judged, default=None)

    def living(self) -> Iterable[Member]:
        """All populations, but for where the initial program stands in."""
        everyone = itertools.chain.from_iterable(niche.population for niche in self._niches)
        return (member for member in everyone if member.price < math.inf)

    def _begin(self, initial: Member, home: Niche) -> None:
        """Fills the populations; the initial program loses each tournament where it does not belong."""
        stand_in = replace(initial, price=math.inf)
        for niche in self._niches:
            niche.population = Population(initial if niche is home else stand_in, self._own.population)

    def _use_up(self, event: Event, origin: Niche) -> int:
        """Ends the turn that the choice took; returns how often in a row the parent was mutated again."""
        individual = event.individual
        taken = taken_by(individual.mutation, individual.era, individual.retry_of)
        if taken == (RESTART, self._era):
            self._is_restarting = False
        if individual.retry_of is None:
            return 0
        retry = origin.retries.pop(individual.retry_of, None)  # a restart has forgotten it
        return 0 if retry is None else retry.count

    def _note_progress(self, event: Event, home: Niche) -> None:
        self._since_best += 1
        if event.individual.outcome not in (*TRAINED, Outcome.REUSED) or not event.is_ok:
            return
        best = home.hall.best()
        if best is None or event.member.judged > best.judged:
            self._since_best = 0
        home.hall.offer(event.member.entry, event.member)

    def _restart_if_stuck(self, best_of_all: Callable[[], Member | None]) -> None:
        """Restarts from the best of all; only without niches is there a plateau."""
        plateau = self._own.plateau
        if plateau is None or self._since_best < plateau or (found := best_of_all()) is None:
            return
        self._niches = [Niche(Population(found, self._own.population))]
        self._niches[0].hall.offer(found.entry, found)
        self._era += 1
        self._is_restarting = True
        self._since_best = 0

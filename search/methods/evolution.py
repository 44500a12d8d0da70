"""Regularized evolution: the fittest of a random tournament has a child, the oldest member dies.

After Real et al. (2019) and Chen et al. (section 3). Beyond the paper: a child that fails may be kept out,
and its parent mutated again; a population without progress may be restarted from the best of all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Set
from dataclasses import dataclass, replace

from lion_search.results.records import TRAINED, Outcome
from lion_search.search.members import Event, Member
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
from lion_search.search.population import HallOfFame, Population
from lion_search.search.settings import PopulationSettings

MAX_RETRIES = 8
"""Most times in a row that one parent is mutated again because its child was rejected."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A parent that is to be mutated again, and how often in a row it will then have been."""

    parent: Member
    count: int


class Evolution:
    """One population. See the module.

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
        self._population = Population(start.founder, own.population)
        self._hall = HallOfFame()
        self._era = 0
        self._is_restarting = False
        self._since_best = 0
        self._retries: dict[int, Retry] = {}

    def choose(self, index: int, rng: random.Random, taken: Set[Hashable]) -> Choice:
        """The initial program, then whose turn it is, else the winner of a tournament."""
        if index == 0:
            return Choice(INITIAL, None, self._era)
        if self._is_restarting and (RESTART, self._era) not in taken:
            return Choice(RESTART, self._population[0], self._era)
        for rejected, retry in self._retries.items():
            if rejected not in taken:
                return Choice(MUTATED, retry.parent, self._era, rejected)
        size = len(self._population)
        contestants = [self._population[rng.randrange(size)] for _ in range(self._own.tournament)]
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
        """The individual enters, or is rejected; the population may be restarted."""
        member, individual = event.member, event.individual
        count = self._use_up(event)
        if individual.mutation == INITIAL:
            self._population = Population(member, self._own.population)  # with its scores
        if individual.era != self._era:  # proposed before the restart: no parent, but it may be the best
            if event.scores and event.is_ok:
                self._hall.offer(member)
            return
        if self._search.hurdle.rejects and not event.is_ok:
            if event.parent is not None and count < MAX_RETRIES:
                self._retries[individual.id] = Retry(event.parent, count + 1)
        else:
            self._population.add(member)
        self._note_progress(event)
        self._restart_if_stuck(best_of_all)

    def best(self) -> Member | None:
        """The best since it began or was restarted."""
        return self._hall.best()

    def living(self) -> Iterable[Member]:
        """The population."""
        return self._population

    def _use_up(self, event: Event) -> int:
        """Ends the turn that the choice took; returns how often in a row the parent was mutated again."""
        individual = event.individual
        taken = taken_by(individual.mutation, individual.era, individual.retry_of)
        if taken == (RESTART, self._era):
            self._is_restarting = False
        if individual.retry_of is None:
            return 0
        retry = self._retries.pop(individual.retry_of, None)  # a restart has forgotten it
        return 0 if retry is None else retry.count

    def _note_progress(self, event: Event) -> None:
        self._since_best += 1
        if event.individual.outcome not in (*TRAINED, Outcome.REUSED) or not event.is_ok:
            return
        best = self._hall.best()
        if best is None or event.member.judged > best.judged:
            self._since_best = 0
        self._hall.offer(event.member)

    def _restart_if_stuck(self, best_of_all: Callable[[], Member | None]) -> None:
        plateau = self._own.plateau
        if plateau is None or self._since_best < plateau or (found := best_of_all()) is None:
            return
        self._population = Population(found, self._own.population)
        self._hall = HallOfFame()
        self._hall.offer(found)
        self._era += 1
        self._is_restarting = True
        self._since_best = 0
        self._retries.clear()

"""Random search: programs written from nothing, each for itself (Chen et al., section 2)."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Set

from lion_search.dsl.settings import PositiveInt
from lion_search.dsl.variation.random_program import random_program
from lion_search.search.members import Event, Member
from lion_search.search.methods.method import RANDOM, Child, Choice, Start, make_child
from lion_search.search.population import hall_of_fame
from lion_search.search.schedule import with_schedule
from lion_search.search.settings import LoopSettings

_RECENT = 1000


class RandomSettings(LoopSettings):
    """Of random search."""

    max_random_statements: PositiveInt = 16
    """Longest program of method random."""


class RandomSearch:
    """See the module."""

    settings = RandomSettings

    def __init__(self, start: Start) -> None:
        own = start.settings.loop
        assert isinstance(own, RandomSettings)
        self._longest = own.max_random_statements
        self._space = start.settings.mutation
        self._is_outside = own.schedule == "outside"
        self._states = start.founder.program.states
        self._hall = hall_of_fame()
        self._recent: deque[Member] = deque(maxlen=_RECENT)

    def choose(self, index: int, rng: random.Random, taken: Set[Hashable]) -> Choice:
        """Nothing to choose."""
        return Choice(RANDOM, None)

    def make(self, choice: Choice, rng: random.Random) -> Child:
        """A random program with the states of the initial one."""
        program = random_program(self._states, self._space, self._longest, rng)
        return make_child(RANDOM, with_schedule(program) if self._is_outside else program)

    def apply(self, event: Event, best_of_all: Callable[[], Member | None]) -> None:
        """Nothing is learned but who was best."""
        self._recent.append(event.member)
        if event.scores and event.is_ok:
            self._hall.offer(event.member.entry, event.member)

    def best(self) -> Member | None:
        """The best so far."""
        return self._hall.best()

    def living(self) -> Iterable[Member]:
        """The last ones."""
        return self._recent

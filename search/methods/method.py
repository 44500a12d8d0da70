"""What a search method is: one file that says which parent, which child, who enters where, when it restarts.

A search has one method object for each of its repeats. It is a fold over the log: only :meth:`Method.apply`
changes it, one logged individual after the other, so that it can be rebuilt from the log. A choice may use
something up, such as the turn of a parent whose last child was rejected. That, too, changes nothing: the
choice says what it takes, the search remembers it while the individual is in flight and shows it to the
choices that follow, and ``apply`` uses it up.

What comes in from other islands takes the place of a choice: the method learns of it by ``apply``, as an
individual without a parent whose mutation is ``immigrant``.

A method of your own is a class like these in any module; ``search.method: module:name`` finds it. Its
settings reach YAML's ``search`` section by themselves: they are the class attribute ``settings``, a class
that inherits from :class:`lion_search.search.settings.LoopSettings`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Set
from dataclasses import dataclass
from typing import Protocol

from lion_search.dsl.equivalence.canonical import Canonical, canonicalise
from lion_search.dsl.program import Program
from lion_search.dsl.variation.mutation import mutate
from lion_search.search.members import Event, Member
from lion_search.search.schedule import with_schedule, without_schedule
from lion_search.search.settings import SearchSettings

INITIAL, RANDOM, RESTART, MUTATED = "initial", "random", "restart", "mutated"
"""How a child is made, as :class:`Choice` has it."""
UNCHANGED = "none"
"""What the log has for a child to which no mutation could be done."""
MAX_MUTATIONS = 50
"""After so many mutations a child is taken as it is, changed or not."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a method begins with.

    Attributes:
        founder: the initial program as the individual it will be; nothing is known of it yet.
        settings: of the search; ``settings.loop`` holds the method's own.
    """

    founder: Member
    settings: SearchSettings


@dataclass(frozen=True, slots=True)
class Choice:
    """What a proposal is made from.

    Attributes:
        kind: how: ``initial``, ``random``, ``restart`` or ``mutated``.
        parent: what it is made from; ``None`` for initial and random programs.
        era: how often the population had been restarted.
        retry_of: the rejected individual in whose place it is made, if it is.
    """

    kind: str
    parent: Member | None
    era: int = 0
    retry_of: int | None = None

    @property
    def takes(self) -> Hashable | None:
        """What it uses up; ``None`` for nothing."""
        return taken_by(self.kind, self.era, self.retry_of)


def taken_by(kind: str, era: int, retry_of: int | None) -> Hashable | None:
    """What an individual used up when it was proposed; ``None`` for nothing.

    Args:
        kind: how it was made, or the mutation the log has for it.
        era: that of its population.
        retry_of: the rejected individual in whose place it was made, if it was.
    """
    return (RESTART, era) if kind == RESTART else retry_of


@dataclass(frozen=True, slots=True)
class Child:
    """A new genome, its canonical form, and what the log says of how it was made."""

    mutation: str
    program: Program
    canonical: Canonical


class Method(Protocol):
    """How one population proposes programs, and what it makes of the log. See the module."""

    def choose(self, index: int, rng: random.Random, taken: Set[Hashable]) -> Choice:
        """What the population's proposal number ``index``, from 0, is made from. Changes nothing.

        Args:
            index: counts the proposals of this population.
            rng: the proposal's own random stream; the only source of chance.
            taken: what choices in flight have used up.
        """
        ...

    def make(self, choice: Choice, rng: random.Random) -> Child:
        """The genome; ``rng`` goes on where choosing left it."""
        ...

    def apply(self, event: Event, best_of_all: Callable[[], Member | None]) -> None:
        """Learns of the next individual of this population.

        Args:
            event: the individual; what is known of its program is up to date.
            best_of_all: the best of all populations.
        """
        ...

    def best(self) -> Member | None:
        """The best it knows of; ``None`` while there is none."""
        ...

    def living(self) -> Iterable[Member]:
        """Whoever may become a parent."""
        ...


def make_child(mutation: str, program: Program) -> Child:
    """A child that is this program."""
    return Child(mutation, program, canonicalise(program))


def mutated_child(parent: Member, settings: SearchSettings, rng: random.Random) -> Child:
    """The parent with one mutation; with ``until_changed`` at times with so many that its hash is another."""
    is_outside = settings.loop.schedule == "outside"
    program = without_schedule(parent.program) if is_outside else parent.program
    is_forced = settings.until_changed > 0 and rng.random() < settings.until_changed
    kinds: list[str] = []
    while True:
        mutation = mutate(program, settings.mutation, rng)
        if mutation is None:  # nothing can be done to it: it lives on
            return make_child("+".join(kinds) or UNCHANGED, with_schedule(program) if is_outside else program)
        kinds.append(mutation.kind)
        program = mutation.program
        child = make_child("+".join(kinds), with_schedule(program) if is_outside else program)
        if not is_forced or child.canonical.hash != parent.hash or len(kinds) == MAX_MUTATIONS:
            return child

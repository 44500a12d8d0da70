"""How individuals are proposed: regularized evolution and its restricted forms, and random search.

Every proposal has a random stream of its own, from (seed, repeat, index), and otherwise depends on the
search's state alone. It is made in two halves: :meth:`Proposer.choose` picks the parent and uses up what
the state keeps for the next proposal, which a replay of the log has to do too; :meth:`Proposer.make` makes
the genome.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from lion_search.dsl.equivalence.canonical import Canonical, canonicalise
from lion_search.dsl.program import Program
from lion_search.dsl.variation.mutation import MutationSpace, mutate
from lion_search.dsl.variation.random_program import random_program
from lion_search.search.settings import Method, SearchSettings
from lion_search.search.state import Member, SearchState

INITIAL = "initial"
RANDOM = "random"
RESTART = "restart"
UNCHANGED = "none"
MAX_MUTATIONS = 50
"""After so many mutations a child is taken as it is, changed or not."""


@dataclass(frozen=True, slots=True)
class Choice:
    """From what a proposal is made.

    Attributes:
        draw: its number; its random stream comes from it.
        repeat: its population.
        era: how often that had been restarted.
        kind: how it is made: ``initial``, ``random``, ``restart``, or ``""`` for a mutation.
        parent: what it is made from; ``None`` for initial and random programs.
        retries: how often in a row the parent has been mutated before, its children having been rejected.
        rng: its random stream, from where choosing left it.
    """

    draw: int
    repeat: int
    era: int
    kind: str
    parent: Member | None
    retries: int
    rng: random.Random


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new genome, how it came about, and its canonical form."""

    choice: Choice
    mutation: str
    program: Program
    canonical: Canonical


def mutation_space(settings: SearchSettings) -> MutationSpace:
    """What mutation may do under a method: the restricted forms of evolution have one kind only."""
    space = settings.mutation
    if settings.method is Method.CONSTANTS:
        return space.only("constant")
    if settings.method is Method.DELETION:
        return space.only("delete")
    return space


class Proposer:
    """Proposes individuals from what a state knows."""

    def __init__(self, initial: Program, settings: SearchSettings, seed: int) -> None:
        self._initial = initial
        self._settings = settings
        self._space = mutation_space(settings)
        self._seed = seed

    def choose(self, draw: int, state: SearchState) -> Choice:
        """The parent of proposal number ``draw``, from 0; proposals are chosen in their order."""
        settings = self._settings
        index, number = divmod(draw, settings.repeats)
        rng = random.Random(f"{self._seed}/{number}/{index}")
        repeat = state.repeats[number]
        if settings.method is Method.RANDOM:
            return Choice(draw, number, repeat.era, RANDOM, None, 0, rng)
        if index == 0:
            return Choice(draw, number, repeat.era, INITIAL, None, 0, rng)
        population = repeat.population
        if repeat.is_restarting:
            repeat.is_restarting = False
            return Choice(draw, number, repeat.era, RESTART, population[0], 0, rng)
        if repeat.retries:
            parent, retries = repeat.retries.popleft()
            return Choice(draw, number, repeat.era, "", parent, retries, rng)
        contestants = [population[rng.randrange(len(population))] for _ in range(settings.tournament)]
        parent = max(contestants, key=lambda member: member.judged)
        return Choice(draw, number, repeat.era, "", parent, 0, rng)

    def make(self, choice: Choice) -> Proposal:
        """The genome."""
        if choice.kind == RANDOM:
            longest = self._settings.max_random_statements
            program = random_program(self._initial.states, self._space, longest, choice.rng)
            return _proposal(choice, RANDOM, program)
        if choice.kind == INITIAL:
            return _proposal(choice, INITIAL, self._initial)
        assert choice.parent is not None
        if choice.kind == RESTART:
            return _proposal(choice, RESTART, choice.parent.program)
        return self._child(choice, choice.parent)

    def _child(self, choice: Choice, parent: Member) -> Proposal:
        """The parent with one mutation, or with so many that its hash is another."""
        rng, program = choice.rng, parent.program
        is_forced = self._settings.until_changed > 0 and rng.random() < self._settings.until_changed
        kinds: list[str] = []
        while True:
            mutation = mutate(program, self._space, rng)
            if mutation is None:  # nothing can be done to it: it lives on
                return _proposal(choice, "+".join(kinds) or UNCHANGED, program)
            kinds.append(mutation.kind)
            program = mutation.program
            proposal = _proposal(choice, "+".join(kinds), program)
            if not is_forced or proposal.canonical.hash != parent.hash or len(kinds) == MAX_MUTATIONS:
                return proposal


def _proposal(choice: Choice, mutation: str, program: Program) -> Proposal:
    return Proposal(choice, mutation, program, canonicalise(program))

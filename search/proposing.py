"""Proposals: what each is made from, and with which random stream.

The stream is its own, from (seed, repeat, index); else a proposal depends on what the search knows alone.

One is made in two halves. :meth:`Proposer.choose` picks what it is made from, which a replay of the log does
for every individual; :meth:`Proposer.make` makes the genome.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Set
from dataclasses import dataclass

from lion_search.search.in_flight import Proposal
from lion_search.search.methods.method import Choice
from lion_search.search.state import SearchState


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice, its number and population, and the random stream where choosing left it."""

    draw: int
    repeat: int
    seen: int
    choice: Choice
    rng: random.Random


class Proposer:
    """Asks the methods of a state for proposals."""

    def __init__(self, seed: int | str, repeats: int) -> None:
        self._seed = seed
        self._repeats = repeats

    def choose(self, draw: int, state: SearchState, taken: Set[Hashable]) -> Chosen:
        """What proposal number ``draw``, from 0, is made from.

        Args:
            draw: its number; repeats take turns.
            state: what it may know.
            taken: what choices of its repeat in flight have used up.
        """
        index, repeat = divmod(draw, self._repeats)
        rng = random.Random(f"{self._seed}/{repeat}/{index}")
        choice = state.repeats[repeat].choose(index, rng, taken)
        return Chosen(draw, repeat, state.num_applied, choice, rng)

    def make(self, chosen: Chosen, state: SearchState) -> Proposal:
        """The genome."""
        child = state.repeats[chosen.repeat].make(chosen.choice, chosen.rng)
        return Proposal(chosen.draw, chosen.repeat, chosen.seen, chosen.choice, child)

"""Mutation: a child of a program by one kind of change, chosen with the configured weights.

What may be done is data: the kinds are rows (:mod:`lion_search.dsl.variation.kinds`), their weights settings
made of these rows.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from pydantic import Field, create_model

from lion_search.dsl.functions import BUILT_IN
from lion_search.dsl.program import Program
from lion_search.dsl.settings import PositiveInt, Probability, Settings, Weight
from lion_search.dsl.variation.kinds import KINDS

_weights: Any = {
    k.name: (Weight, Field(k.weight, description=f"Weight of {k.about}.")) for k in KINDS.values()
}
_Weights: Any = create_model("_Weights", __base__=Settings, **_weights)


class MutationSettings(_Weights):
    """How programs are mutated: a weight for each kind, and how new statements and constants are drawn."""

    new_constant: Probability = 0.25
    """How often a chosen argument is a new constant from N(0, 1), not an existing variable."""
    new_variable: Probability = 0.5
    """How often an inserted statement assigns a fresh variable, not an existing one."""
    rescale_constant: Probability = 0.5
    """How often a mutated constant is multiplied by 2^N(0, 1), not replaced."""
    max_statements: PositiveInt = 80
    """Programs of this length are not made longer."""

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """The weight of each kind."""
        return {kind: getattr(self, kind) for kind in KINDS}

    def only(self, *kinds: str) -> Self:
        """The same settings for a method that uses some kinds alone, in equal shares."""
        unknown = set(kinds) - set(KINDS)
        if unknown:
            raise ValueError(f"no kinds of mutation: {', '.join(sorted(unknown))}; kinds: {', '.join(KINDS)}")
        return self.changed(**{kind: float(kind in kinds) for kind in KINDS})

    def changed(self, **values: Any) -> Self:
        """The same settings but for some."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate({**own, **values})


class MutationSpace(MutationSettings):
    """What mutation may do: the settings, and the functions and inputs of the run."""

    functions: tuple[str, ...] = BUILT_IN
    """Names of the functions that inserted statements may apply."""
    hidden: tuple[str, ...] = ()
    """Names, such as ``lr``, that new statements and arguments neither read nor assign."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A child and how it came about."""

    kind: str
    program: Program


def mutate(program: Program, space: MutationSpace, rng: random.Random) -> Mutation | None:
    """One mutation of a checked program.

    Args:
        program: the parent.
        space: what may be done.
        rng: the only source of randomness.

    Returns:
        The child, which is well typed by construction; ``None`` if no kind of mutation is possible.
    """
    weights = dict(space.weights)
    if len(program.statements) >= space.max_statements:
        weights.update((kind, 0.0) for kind, row in KINDS.items() if row.lengthens)
    while any(weights.values()):
        (kind,) = rng.choices(list(weights), list(weights.values()))
        child = KINDS[kind].make(program, space, rng)
        if child is not None:
            return Mutation(kind, child)
        weights[kind] = 0.0
    return None

"""What a program is: a frozen value, compared, hashed and pickled by content.

A program is one step of an optimizer. It reads the weights ``w``, the gradient ``g``, its state
variables and the learning-rate schedule's value ``lr``; it assigns variables; it returns the update (the
training loop then does ``w = w - update``) and the new value of each state. Every state is zero before
the first step. ``w``, ``g`` and the states are trees of arrays of one structure; ``lr`` is a scalar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

WEIGHTS = "w"
GRADIENT = "g"
LEARNING_RATE = "lr"
UPDATE = "update"

Argument = str | float
"""A variable's name, or a constant (a finite Python float)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One assignment, ``target = function(*args)``."""

    target: str
    function: str
    args: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """One step of an optimizer.

    Attributes:
        states: names of the state variables, in the header's order.
        statements: the body, in order; a variable may be overwritten, inputs included.
        outputs: what is returned: the update, then the new value of each state.
    """

    states: tuple[str, ...]
    statements: tuple[Statement, ...]
    outputs: tuple[Argument, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The header's names, in order: weights, gradient, states, learning rate."""
        return (WEIGHTS, GRADIENT, *self.states, LEARNING_RATE)


def make_program(states: tuple[str, ...], statements: tuple[Statement, ...]) -> Program:
    """A program in the paper's form, which returns ``update`` and its states by name."""
    return Program(states, statements, (UPDATE, *states))


def with_values(statements: Iterable[Statement], values: Mapping[str, Argument]) -> tuple[Statement, ...]:
    """Statements that read other values in the place of some variables; what they assign stays."""
    return tuple(replace(s, args=args_with(s.args, values)) for s in statements)


def args_with(args: Iterable[Argument], values: Mapping[str, Argument]) -> tuple[Argument, ...]:
    """Arguments with other values in the place of some variables."""
    return tuple(values.get(a, a) if isinstance(a, str) else a for a in args)


def inlined(
    program: Program, prefix: str, values: Mapping[str, Argument]
) -> tuple[list[Statement], tuple[Argument, ...]]:
    """A program's body for use in another, no variable assigned twice, and its outputs.

    Args:
        program: any checked program.
        prefix: of the body's variables, which are numbered.
        values: what stands for the states; those that are left out stay as they are.
    """
    known = dict(values)
    body = []
    for index, s in enumerate(program.statements):
        body.append(Statement(f"{prefix}{index}", s.function, args_with(s.args, known)))
        known[s.target] = f"{prefix}{index}"
    return body, args_with(program.outputs, known)

"""The kinds of mutation: one row each, and nothing about single kinds anywhere else.

A row's name stands in the log, and with its weight and meaning it becomes a setting of the search by itself
(:class:`lion_search.dsl.variation.mutation.MutationSettings`). A restricted method names the kinds that it
uses, so that a new row has no weight there.

From Chen et al., section 2 and Appendix: the first three kinds are equally likely by default; a mutated
argument becomes an existing variable or a new constant from N(0, 1); a constant may instead be multiplied by
2^a, a ~ N(0, 1). The paper does not say how often a fresh variable or a new constant is taken: one half and
one quarter here, both settings. The kinds of :mod:`lion_search.dsl.variation.rewiring` are not the paper's
and have no weight by default; how far each reaches is measured by ``scripts/measure_reach.py``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from lion_search.dsl.program import Program
from lion_search.dsl.types import input_types
from lion_search.dsl.variation.rewiring import bypass, duplicate, wrap
from lion_search.dsl.variation.statements import (
    TREE,
    Choices,
    accepted,
    demand_before,
    demands_after,
    draw_argument,
    draw_constant,
    draw_statement,
    rescaled,
    result_type,
    types_before,
    with_argument,
)


@dataclass(frozen=True, slots=True)
class MutationKind:
    """One kind of mutation.

    Attributes:
        name: the stable name, used in configs and in the log.
        make: ``make(program, choices, rng)`` gives a child of a checked program that is well typed by
            construction; ``None`` if there is nothing it could change.
        weight: how often it is taken, by default, relative to the others.
        about: what its weight is the weight of.
        lengthens: whether the child is longer; programs of ``max_statements`` have no such children.
    """

    name: str
    make: Callable[[Program, Choices, random.Random], Program | None]
    weight: float
    about: str
    lengthens: bool = False


def _insert(program: Program, choices: Choices, rng: random.Random) -> Program:
    statements = program.statements
    at = rng.randrange(len(statements) + 1)
    new = draw_statement(program, at, choices, rng)
    return replace(program, statements=(*statements[:at], new, *statements[at:]))


def _delete(program: Program, choices: Choices, rng: random.Random) -> Program | None:
    """Deletes one of the statements whose target nobody misses."""
    del choices
    statements = program.statements
    types = input_types(program)
    before = []
    for statement in statements:
        before.append(types.get(statement.target))
        types[statement.target] = result_type(statement, types)
    demands = demands_after(program, len(statements) - 1)
    candidates = []
    for at in range(len(statements) - 1, -1, -1):
        demand, type_ = demands.get(statements[at].target), before[at]
        if demand is None or (type_ is not None and type_ <= demand):
            candidates.append(at)
        demand_before(statements[at], demands)
    if not candidates:
        return None
    at = rng.choice(candidates)
    return replace(program, statements=(*statements[:at], *statements[at + 1 :]))


def _modify(program: Program, choices: Choices, rng: random.Random) -> Program | None:
    candidates = [at for at, statement in enumerate(program.statements) if statement.args]
    if not candidates:
        return None
    at = rng.choice(candidates)
    statement = program.statements[at]
    position = rng.randrange(len(statement.args))
    old = statement.args[position]
    if isinstance(old, float) and rng.random() < choices.rescale_constant:
        return with_argument(program, at, position, rescaled(old, rng))
    wanted = demands_after(program, at).get(statement.target, TREE)
    widest = accepted(statement, wanted)[position]
    return with_argument(
        program, at, position, draw_argument(types_before(program, at), widest, choices, rng)
    )


def _change_constant(program: Program, choices: Choices, rng: random.Random) -> Program | None:
    candidates = [
        (at, position, arg)
        for at, statement in enumerate(program.statements)
        for position, arg in enumerate(statement.args)
        if isinstance(arg, float)
    ]
    if not candidates:
        return None
    at, position, old = rng.choice(candidates)
    is_rescaled = rng.random() < choices.rescale_constant
    return with_argument(program, at, position, rescaled(old, rng) if is_rescaled else draw_constant(rng))


_ROWS = (
    MutationKind("insert", _insert, 1.0, "inserting a random statement", lengthens=True),
    MutationKind("delete", _delete, 1.0, "deleting one statement"),
    MutationKind("modify", _modify, 1.0, "changing one argument, variable or constant"),
    MutationKind("constant", _change_constant, 0.0, "changing one constant"),
    MutationKind("wrap", wrap, 0.0, "replacing a use of a variable by a function of it", lengthens=True),
    MutationKind("duplicate", duplicate, 0.0, "giving one use of a value a varied copy", lengthens=True),
    MutationKind("bypass", bypass, 0.0, "replacing a use of a value by one of the arguments it is made of"),
)

KINDS: Mapping[str, MutationKind] = MappingProxyType({row.name: row for row in _ROWS})
"""All kinds by name, in the order in which chance counts them: new rows come last."""

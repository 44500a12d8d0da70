"""Random programs: what a search without evolution would draw.

The paper's baseline: two million random programs did not reach AdamW (Chen et al., arXiv 2302.06675,
section 2). A program is written from its first statement to its last, each drawn as mutation draws the
statements it inserts, so that both searches choose from one language with the same chances.
"""

from __future__ import annotations

import random
from dataclasses import replace

from lion_search.dsl.program import UPDATE, Program, make_program
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.dsl.variation.statements import draw_statement


def random_program(
    states: tuple[str, ...], space: MutationSpace, max_statements: int, rng: random.Random
) -> Program:
    """A random program in the paper's form, which returns ``update`` and its states by name.

    The last statement assigns ``update``, whatever target was drawn for it; so the update may depend on all
    that stands before. An earlier statement may assign it too, once it is a variable.

    Args:
        states: names of the state variables, in the header's order.
        space: the functions, and how often constants and fresh variables are taken; the weights of the
            kinds and ``space.max_statements`` do not matter here.
        max_statements: the length is uniform from 1 to this.
        rng: the only source of randomness.

    Returns:
        A checked program.

    Raises:
        ValueError: ``max_statements`` is less than 1.
    """
    if max_statements < 1:
        raise ValueError(f"max_statements is {max_statements}; a program has at least 1 statement")
    program = make_program(states, ())
    num_statements = rng.randint(1, max_statements)
    for at in range(num_statements):
        statement = draw_statement(program, at, space, rng)
        if at == num_statements - 1:
            statement = replace(statement, target=UPDATE)
        program = replace(program, statements=(*program.statements, statement))
    return program

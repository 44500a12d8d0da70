"""What a program costs, without running it."""

from __future__ import annotations

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.functions import FUNCTIONS, Type
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.types import statement_types


def static_cost(program: Program) -> float:
    """The cost of a step for each weight, in additions; elementwise statements on scalars cost nothing.

    Costs of functions were measured on a CPU core; see ``scripts/bench_functions.py``.
    """
    total = 0.0
    for statement, (arguments, result) in zip(program.statements, statement_types(program), strict=True):
        row = FUNCTIONS[statement.function]
        # Others go through whole rows, and a scalar is spread over one.
        is_scalar = row.elementwise and max(*arguments, result) is Type.SCALAR
        total += 0.0 if is_scalar else row.cost
    return total


def relative_cost(program: Program) -> float:
    """The cost of a step in steps of AdamW, both in canonical form: of a count, the same on every machine."""
    adamw = canonicalise(library_program("adamw")).program()
    return static_cost(canonicalise(program).program()) / static_cost(adamw)

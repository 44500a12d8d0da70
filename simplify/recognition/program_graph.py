"""A program beside the classes of values that equal its own: where recognition looks for known optimizers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from lion_search.dsl.program import Program, inlined
from lion_search.simplify.equality.egraph import Classes, ClassId, RewriteLimits
from lion_search.simplify.equality.rewriting import LONG, egraph, never_negative
from lion_search.simplify.equality.rules import Kind


@dataclass(frozen=True, slots=True)
class ProgramGraph:
    """A program and the e-graph of its values.

    Attributes:
        form: the program; no variable is assigned twice.
        classes: the classes of equal values.
        outputs: the classes of the update and of the new value of each state.
        statements: the class of each statement.
        inputs: the class of each input.
    """

    form: Program
    classes: Classes
    outputs: tuple[ClassId, ...]
    statements: tuple[ClassId, ...]
    inputs: Mapping[str, ClassId]


def saturate(form: Program, kinds: Collection[Kind], limits: RewriteLimits) -> ProgramGraph:
    """Finds what equals the values of a program.

    Args:
        form: the program; no variable is assigned twice.
        kinds: the kinds of rules to use.
        limits: when to stop.
    """
    targets = tuple(s.target for s in form.statements)
    all_values = replace(form, outputs=form.outputs + targets)
    invariants = never_negative(form) if len(form.statements) < LONG else ()
    classes = egraph(all_values, kinds, limits, nonnegative=invariants)
    inputs = {
        term.function: owner
        for owner, terms in classes.terms.items()
        for term in terms
        if not term.args and term.function in form.inputs
    }
    roots, end = tuple(classes.roots), len(form.outputs)
    return ProgramGraph(form, classes, roots[:end], roots[end:], inputs)


def with_own_names(program: Program) -> Program:
    """The same with a variable of its own for each statement."""
    body, outputs = inlined(program, "value ", {})
    return Program(program.states, tuple(body), outputs)

"""A program as a Python file of SymPy expressions: of one number of each array, to reason about it."""

from __future__ import annotations

from dataclasses import replace

from lion_search.dsl.export.about import About, checked, docstring
from lion_search.dsl.export.hyperparameters import make_rule
from lion_search.dsl.export.step_code import Library, names_of, tuple_of, write_step
from lion_search.dsl.program import GRADIENT, WEIGHTS, Program
from lion_search.dsl.text import format_argument

_RESERVED = frozenset(("sp", "names", "inputs", "outputs", "defaults"))
LIBRARY = Library(
    target="sympy",
    xp="sp",
    number="sp.sympify({0})",
    broadcast="{0}",
    reserved=_RESERVED,
    unknown="sp.Function('{name}')({args})",
)
_USAGE = """
sp.simplify(outputs["update"].subs(defaults))
"""
_FILE = """{docstring}
import sympy as sp

names = "{symbols}"
{names} = inputs = sp.symbols(names, real=True)
defaults = {{
{defaults}}}


{step}

outputs = dict(zip({outputs}, _step(*inputs)))
"""


def to_sympy(program: Program, about: About) -> str:
    """The program as the text of a Python file.

    What looks across arrays is a function that SymPy does not know, as ``global_norm(g)``.

    Args:
        program: a checked program; what is redundant is left out.
        about: what the file says of itself.

    Raises:
        ProgramError: the name is no Python identifier, or a function of the user's own has no code for SymPy.
    """
    checked(about, _RESERVED)
    rule = make_rule(program)
    step = write_step(rule, replace(LIBRARY, arrays=frozenset(rule.numbers)), over_lists=False)
    names = (WEIGHTS, GRADIENT, *step.states, *step.numbers)
    return _FILE.format(
        docstring=docstring(about, "in SymPy, for one number of each array", _USAGE, rule),
        names=tuple_of("", names),
        symbols=" ".join(names),
        defaults="".join(f"    {n}: {format_argument(value)},\n" for n, value in rule.defaults.items()),
        step=step.text,
        outputs=names_of(("update", *(f"new_{s}" for s in step.states))),
    )

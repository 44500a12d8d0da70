"""A program as a Python file that needs NumPy only: to read, to teach, to check others by."""

from __future__ import annotations

from lion_search.dsl.export.about import About, checked, docstring
from lion_search.dsl.export.arguments import SCHEDULED, describe, meaning_of_rate, parameters
from lion_search.dsl.export.hyperparameters import SCHEDULE, make_rule
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.export.step_code import Library, names_of, signature, tuple_of, write_step
from lion_search.dsl.program import Program

_RESERVED = frozenset(
    ("np", "Any", "Callable", "Sequence", "list", "sum", "zip", "isinstance", "len", "float")
)
LIBRARY = Library(
    target="numpy",
    xp="np",
    number="{like}.dtype.type({0})",
    broadcast="np.broadcast_to({0}, {like}.shape)",
    reserved=_RESERVED,
)
_USAGE = """
optimizer = {class_name}()
weights = optimizer.step(weights, gradients)  # lists of arrays
"""
_FILE = '''{docstring}
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_STATES: tuple[str, ...] = {states}


{helpers}{step}

class {class_name}:
    """The optimizer; its hyper-parameters are as they were found.

    Args:
{arguments}
    """

{signature}
{assigned}        self.count = 0
        self.states: list[list[Any]] | None = None

    def step(self, weights: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:
        """The new weights, in float32 or wider."""
        old = [np.asarray(w, np.result_type(w, np.float32)) for w in weights]
        arrays = [np.asarray(g, w.dtype) for g, w in zip(gradients, old)]
        if [g.shape for g in arrays] != [w.shape for w in old]:
            raise ValueError("gradients are not of the weights' shapes")
        if self.states is None:
            self.states = [[np.zeros_like(w) for w in old] for _ in _STATES]
        rate = self.{scheduled}
        rate = float(rate(self.count) if callable(rate) else rate)
{numbers}
        with np.errstate(all="ignore"):
{apply}        self.states = [list(values) for values in states]
        self.count += 1
        return [w - u for w, u in zip(old, updates)]
'''
_EACH = """            steps = [_step(*[*each, *numbers]) for each in zip(old, arrays, *self.states)]
            updates, *states = zip(*steps) if steps else ([], *self.states)
"""
_ALL = """            updates, *states = _step(*[old, arrays, *self.states, *numbers])
"""


def to_numpy(program: Program, about: About) -> str:
    """The program as the text of a Python file.

    Args:
        program: a checked program; what is redundant is left out.
        about: what the file says of itself.

    Raises:
        ProgramError: the name is no Python identifier, or a function of the user's own has no code for NumPy.
    """
    checked(about, _RESERVED)
    rule = make_rule(program)
    step = write_step(rule, LIBRARY)
    scheduled = SCHEDULE if rule.has_schedule else RATE
    explained = {RATE: meaning_of_rate(rule), **({SCHEDULE: SCHEDULED} if rule.has_schedule else {})}
    types = {scheduled: "float | Callable[[int], float]"}
    numbers = ["rate" if n == scheduled else f"self.{n}" for n in rule.numbers]
    return _FILE.format(
        docstring=docstring(about, "in NumPy", _USAGE.format(class_name=about.class_name), rule),
        states=names_of(step.states),
        helpers="".join(h.strip("\n") + "\n\n\n" for h in step.helpers),
        step=step.text,
        class_name=about.class_name,
        arguments=describe(rule, explained, step.names),
        signature=signature("    def __init__", ["self", *parameters(rule, types)], " -> None:"),
        assigned="".join(f"        self.{n} = {n}\n" for n in rule.numbers),
        scheduled=scheduled,
        numbers=tuple_of("        numbers = ", numbers),
        apply=_ALL if step.takes_lists else _EACH,
    )

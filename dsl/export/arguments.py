"""The hyper-parameters of an optimizer as arguments of a function: how they are declared and described."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from lion_search.dsl.export.hyperparameters import EPS, SCHEDULE, SHARE, WEIGHT_DECAY, Line, Rule
from lion_search.dsl.functions import Type
from lion_search.dsl.program import WEIGHTS
from lion_search.dsl.text import format_argument

_MEANINGS: Mapping[str, str] = {
    WEIGHT_DECAY: "the factor of the weights in the update",
    EPS: "protects divisions",
    "max_norm": "the largest norm of all numbers together",
}
"""What hyper-parameters are for, by their names without numbers."""
_WIDTH = 88
SCHEDULED = "a number, or a function of the step"
AT_PEAK = "; it was found as the peak of a schedule"


def meaning_of_rate(rule: Rule) -> str:
    """What is said of the learning rate."""
    if rule.has_schedule:
        return "the peak"
    return SCHEDULED + (AT_PEAK if rule.reads_schedule else "; it was constant when this was found")


def parameters(rule: Rule, types: Mapping[str, str], names: Mapping[str, str] | None = None) -> list[str]:
    """How the numbers of a rule are declared, with their defaults.

    Args:
        rule: the optimizer.
        types: of those that are not ``float``.
        names: what they are called, where that is another name.
    """
    names = names or {}
    defaults = {**rule.defaults, SCHEDULE: 1.0}
    return [
        f"{names.get(n, n)}: {types.get(n, 'float')} = {format_argument(defaults[n])}" for n in rule.numbers
    ]


def describe(rule: Rule, explained: Mapping[str, str], names: Mapping[str, str]) -> str:
    """The lines of a docstring on the arguments.

    Args:
        rule: the optimizer.
        explained: what is said of some of them, and of further ones; of those that are empty nothing.
        names: what they and the variables of the step are called in the code.
    """
    readers = {a: line for line in rule.lines for a in line.statement.args if isinstance(a, str)}
    told = {n: explained.get(n) or _meaning(n, readers.get(n), names) for n in rule.numbers}
    return "\n".join(
        textwrap.fill(
            f"{names.get(n, n)}: {text}.", _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12
        )
        for n, text in {**told, **explained}.items()
        if text
    )


def _meaning(name: str, reader: Line | None, names: Mapping[str, str]) -> str:
    """What a hyper-parameter is for, by its role and the statement that reads it, if one does."""
    role = name.rstrip("0123456789")
    if reader is None:
        return _MEANINGS.get(role, "")
    statement = reader.statement
    others = [own for own in zip(statement.args, reader.argument_types, strict=True) if own[0] != name]
    other, type_ = others[-1] if others else ("", Type.SCALAR)
    shown, target = (f"`{names.get(str(a), a)}`" for a in (other, statement.target))
    if role == SHARE:
        return (
            f"the share that {target} keeps at each step"
            if shown == target
            else f"the share of {shown} in {target}"
        )
    if role == WEIGHT_DECAY and other != WEIGHTS and type_ is not Type.SCALAR:
        return f"the factor of {shown}, which is made of the weights alone"
    return _MEANINGS.get(role, f"a constant in {target}")

"""The hyper-parameters of an optimizer as arguments of a function: how they are declared and described."""

from __future__ import annotations

from collections.abc import Mapping

from lion_search.dsl.export.hyperparameters import SCHEDULE, Rule
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.text import format_argument

_MEANINGS: Mapping[str, str] = {
    RATE: "the factor of the update",
    SCHEDULE: "the factor that changes from step to step; its peak is 1",
    "b": "the share that an average keeps at each step",
    "weight_decay": "the factor of the weights in the update",
    "eps": "protects divisions",
    "max_norm": "the largest norm of all numbers together",
}
"""What hyper-parameters are for, by their names without numbers."""

SCHEDULED = "a number, or a function of the step"


def meaning_of_rate(rule: Rule) -> str:
    """What is said of the learning rate."""
    if rule.has_schedule:
        return "the peak"
    return SCHEDULED if rule.reads_schedule else f"{SCHEDULED}; it was constant when this was found"


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


def describe(rule: Rule, explained: Mapping[str, str], names: Mapping[str, str] | None = None) -> str:
    """The lines of a docstring on the arguments whose meaning is known.

    Args:
        rule: the optimizer.
        explained: what is said of some of them, and of further ones.
        names: what they are called, where that is another name.
    """
    names = names or {}
    told = {n: explained.get(n) or _MEANINGS.get(n.rstrip("0123456789"), "") for n in rule.numbers} | dict(
        explained
    )
    return "\n".join(f"        {names.get(n, n)}: {text}." for n, text in told.items() if text)

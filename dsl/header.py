"""The ``def`` line of a program's text: which argument is what, by its name and in any order.

The weights, the gradient and the learning rate may have the names that papers and libraries give them; an
argument with a number as its default is a constant; all others are states.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lion_search.dsl.program import GRADIENT, LEARNING_RATE, UPDATE, WEIGHTS

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        WEIGHTS: ("weight", "weights", "param", "params", "parameter", "parameters", "theta"),
        GRADIENT: ("grad", "grads", "gradient", "gradients"),
        LEARNING_RATE: ("learning_rate",),
    }
)
"""What else an input may be called; an argument of its own name comes first."""

_MEANINGS = {
    WEIGHTS: "the weights",
    GRADIENT: "the gradient",
    LEARNING_RATE: "the schedule's value, by which a program multiplies its update",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says.

    Attributes:
        states: their names, in order.
        renamed: the names of this text for weights, gradient and learning rate, and their own.
        constants: names of numbers.
    """

    states: tuple[str, ...]
    renamed: Mapping[str, str]
    constants: Mapping[str, float]


class HeaderError(Exception):
    """What is wrong with a header, and where.

    Attributes:
        message: for a person.
        node: of the syntax tree.
    """

    def __init__(self, message: str, node: ast.AST) -> None:
        self.message = message
        self.node = node
        super().__init__(message)


def read_header(function: ast.FunctionDef) -> Header:
    """Finds the inputs, states and constants among a function's arguments.

    Raises:
        HeaderError: an input is missing, a name stands for two things, or a default has no meaning here.
    """
    found = function.args
    arguments = [*found.posonlyargs, *found.args, *found.kwonlyargs]
    names = [argument.arg for argument in arguments]
    expected = f"expected the header {function.name}({WEIGHTS}, {GRADIENT}, ...states, {LEARNING_RATE})"
    if found.vararg or found.kwarg:
        raise HeaderError(f"{expected}: each state by a name of its own", function)
    own_names = {name: _of_input(name, names) for name in (WEIGHTS, GRADIENT, LEARNING_RATE)}
    if missing := [name for name, own in own_names.items() if own is None]:
        what = ", ".join(f"{name}, {_MEANINGS[name]}" for name in missing)
        raise HeaderError(f"{expected}, found ({', '.join(names)}); missing: {what}", function)
    renamed = {own: name for name, own in own_names.items() if own is not None}
    seen = {UPDATE}
    for argument in arguments:
        if argument.arg in seen:
            raise HeaderError(f"'{argument.arg}' cannot be a state's name here", argument)
        seen.add(argument.arg)
    constants = _constants(found, renamed)
    states = tuple(name for name in names if name not in renamed and name not in constants)
    return Header(states, {own: name for own, name in renamed.items() if own != name}, constants)


def _of_input(name: str, names: list[str]) -> str | None:
    """What an input is called among these names."""
    if name in names:
        return name
    return next((other for other in NAMES[name] if other in names), None)


def _constants(arguments: ast.arguments, inputs: Mapping[str, str]) -> dict[str, float]:
    positional = [*arguments.posonlyargs, *arguments.args]
    last = positional[len(positional) - len(arguments.defaults) :]
    pairs = [*zip(last, arguments.defaults, strict=True)]
    pairs += [
        (a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None
    ]
    constants: dict[str, float] = {}
    for argument, default in pairs:
        name, value = argument.arg, _value(default)
        if inputs.get(name) == LEARNING_RATE:
            raise HeaderError(
                f"the schedule gives '{name}', with a peak of 1: leave out its default and multiply by it in "
                f"the program, as in {name} = {name} * {ast.unparse(default)}",
                default,
            )
        if name in inputs or value == 0:
            raise HeaderError(f"leave out the default of '{name}': a state begins at zero", default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise HeaderError(
                f"expected a number as the default of '{name}', a constant; a state has none", default
            )
        constants[name] = value
    return constants


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None

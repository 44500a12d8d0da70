"""The targets of an export: one row each; the code of one is one file of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lion_search.dsl.export.optax_code import to_optax
from lion_search.dsl.program import Program

Arrays = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Export:
    """One target.

    Attributes:
        name: what ``lion-search export --to`` calls it.
        write: ``write(program, name, title)`` gives the text of a file that needs nothing of this project;
            the optimizer in it has the name, its docstring the title.
        suffix: the end of the file's name.
        first_update: ``first_update(text, name, weights, gradient)`` runs such a text and gives the arrays of
            its first update, to be subtracted; the schedule is at its peak. JAX may trace it.
    """

    name: str
    write: Callable[[Program, str, str], str]
    suffix: str
    first_update: Callable[[str, str, Arrays, Arrays], Arrays]


def _first_update_of_optax(text: str, name: str, weights: Arrays, gradient: Arrays) -> Arrays:
    namespace: dict[str, Any] = {}
    exec(compile(text, f"{name}.py", "exec"), namespace)  # noqa: S102 -- what we have written
    rule = namespace[name]()
    updates, _ = rule.update(list(gradient), rule.init(list(weights)), list(weights))
    return [-update for update in updates]


EXPORTS: Mapping[str, Export] = MappingProxyType(
    {export.name: export for export in (Export("optax", to_optax, "_optax.py", _first_update_of_optax),)}
)
"""All targets by name."""

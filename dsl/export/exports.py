"""The targets of an export: one row each; the code of one is one file of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lion_search.dsl.export.optax_code import to_optax
from lion_search.dsl.program import Program


@dataclass(frozen=True, slots=True)
class Export:
    """One target.

    Attributes:
        name: what ``lion-search export --to`` calls it.
        write: ``write(program, name, title)`` gives the text of a file that needs nothing of this project;
            the optimizer in it has the name, its docstring the title.
        suffix: the end of the file's name.
    """

    name: str
    write: Callable[[Program, str, str], str]
    suffix: str


EXPORTS: Mapping[str, Export] = MappingProxyType(
    {export.name: export for export in (Export("optax", to_optax, "_optax.py"),)}
)
"""All targets by name."""

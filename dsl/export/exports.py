"""The targets of an export: one row each; the code of one is one file of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lion_search.dsl.export.about import About
from lion_search.dsl.export.keras_code import to_keras
from lion_search.dsl.export.numpy_code import to_numpy
from lion_search.dsl.export.optax_code import to_optax
from lion_search.dsl.export.plain import to_latex_file, to_text
from lion_search.dsl.export.sympy_code import to_sympy
from lion_search.dsl.export.torch_code import to_torch
from lion_search.dsl.program import Program

Arrays = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Export:
    """One target.

    Attributes:
        name: what ``lion-search export --to`` calls it.
        write: ``write(program, about)`` gives the text of a file that needs nothing of this project.
        suffix: the end of the file's name.
        in_runs: whether a run writes it for its winners.
        first_update: ``first_update(text, name, weights, gradient)`` runs such a text and gives the arrays of
            its first update, to be subtracted, if JAX can trace that; the schedule is at its peak.
    """

    name: str
    write: Callable[[Program, About], str]
    suffix: str
    in_runs: bool = False
    first_update: Callable[[str, str, Arrays, Arrays], Arrays] | None = None


def _first_update_of_optax(text: str, name: str, weights: Arrays, gradient: Arrays) -> Arrays:
    namespace: dict[str, Any] = {}
    exec(compile(text, f"{name}.py", "exec"), namespace)  # noqa: S102 -- what we have written
    rule = namespace[name]()
    updates, _ = rule.update(list(gradient), rule.init(list(weights)), list(weights))
    return [-update for update in updates]


_ROWS = (
    Export("optax", to_optax, "_optax.py", in_runs=True, first_update=_first_update_of_optax),
    Export("torch", to_torch, "_torch.py", in_runs=True),
    Export("keras", to_keras, "_keras.py"),
    Export("numpy", to_numpy, "_numpy.py"),
    Export("latex", to_latex_file, ".tex"),
    Export("sympy", to_sympy, "_sympy.py"),
    Export("text", to_text, ".py", in_runs=True),
)

EXPORTS: Mapping[str, Export] = MappingProxyType({export.name: export for export in _ROWS})
"""All targets by name."""

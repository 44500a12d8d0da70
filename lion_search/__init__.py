"""Symbolic discovery of optimization algorithms, after Chen et al. (2023).

What is named here is public: what tasks, functions and search methods of one's own are made of, programs and
their text, the base of settings and of errors. Each name is imported when it is first asked for, so that
``import lion_search`` costs nothing and workers that need no JAX do not import it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lion_search.dsl.errors import LionSearchError
    from lion_search.dsl.functions import Function, Type
    from lion_search.dsl.program import Program
    from lion_search.dsl.settings import Settings
    from lion_search.dsl.text import format_program, parse
    from lion_search.proxy_tasks.problems import Examples, Problem
    from lion_search.proxy_tasks.tasks import Schedule, Task
    from lion_search.search.methods.method import Choice, make_child, mutated_child
    from lion_search.search.settings import LoopSettings, PopulationSettings

__all__ = [
    "Choice",
    "Examples",
    "Function",
    "LionSearchError",
    "LoopSettings",
    "PopulationSettings",
    "Problem",
    "Program",
    "Schedule",
    "Settings",
    "Task",
    "Type",
    "format_program",
    "make_child",
    "mutated_child",
    "parse",
]

_HOME = {
    "Choice": "search.methods.method",
    "Examples": "proxy_tasks.problems",
    "Function": "dsl.functions",
    "LionSearchError": "dsl.errors",
    "LoopSettings": "search.settings",
    "PopulationSettings": "search.settings",
    "Problem": "proxy_tasks.problems",
    "Program": "dsl.program",
    "Schedule": "proxy_tasks.tasks",
    "Settings": "dsl.settings",
    "Task": "proxy_tasks.tasks",
    "Type": "dsl.functions",
    "format_program": "dsl.text",
    "make_child": "search.methods.method",
    "mutated_child": "search.methods.method",
    "parse": "dsl.text",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

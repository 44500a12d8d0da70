"""Symbolic discovery of optimization algorithms, after Chen et al. (2023).

What is named here is public: searches to run and to look into from a notebook or a script, what tasks,
functions and search methods of one's own are made of, programs and their text, the base of settings and of
errors. Each name is imported when it is first asked for, so that ``import lion_search`` costs nothing and
workers that need no JAX do not import it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lion_search.api import FoundProgram, Run, load, resume, search
    from lion_search.dsl.errors import LionSearchError
    from lion_search.dsl.functions import Function, Type
    from lion_search.dsl.program import Program
    from lion_search.dsl.settings import Settings
    from lion_search.dsl.text import format_program, parse
    from lion_search.proxy_tasks.problems import Examples, Metric, Problem
    from lion_search.proxy_tasks.tasks import Schedule, Task
    from lion_search.search.methods.method import Choice, make_child, mutated_child
    from lion_search.search.settings import LoopSettings, PopulationSettings

__all__ = [
    "Choice",
    "Examples",
    "FoundProgram",
    "Function",
    "LionSearchError",
    "LoopSettings",
    "Metric",
    "PopulationSettings",
    "Problem",
    "Program",
    "Run",
    "Schedule",
    "Settings",
    "Task",
    "Type",
    "format_program",
    "load",
    "make_child",
    "mutated_child",
    "parse",
    "resume",
    "search",
]

_HOME = {
    "Choice": "search.methods.method",
    "Examples": "proxy_tasks.problems",
    "FoundProgram": "api",
    "Function": "dsl.functions",
    "LionSearchError": "dsl.errors",
    "LoopSettings": "search.settings",
    "Metric": "proxy_tasks.problems",
    "PopulationSettings": "search.settings",
    "Problem": "proxy_tasks.problems",
    "Program": "dsl.program",
    "Run": "api",
    "Schedule": "proxy_tasks.tasks",
    "Settings": "dsl.settings",
    "Task": "proxy_tasks.tasks",
    "Type": "dsl.functions",
    "format_program": "dsl.text",
    "load": "api",
    "make_child": "search.methods.method",
    "mutated_child": "search.methods.method",
    "parse": "dsl.text",
    "resume": "api",
    "search": "api",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """This module. Its ``search`` is the function, also once the room of that name was imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if name != "search":  # Python would put the room here; who imports from it does not look here
            super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.__name__,)  # as any module is pickled: a task in a cell may refer to it


sys.modules[__name__].__class__ = _Package

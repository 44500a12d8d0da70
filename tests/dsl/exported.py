"""Exported files, run as anybody's, for the tests of exports."""

import inspect
from collections.abc import Callable
from typing import Any

from lion_search.dsl.export.about import About
from lion_search.dsl.export.exports import EXPORTS
from lion_search.dsl.export.hyperparameters import make_rule
from lion_search.dsl.program import Program


def text_of(program: Program, target: str, name: str = "optimizer", title: str = "Found") -> str:
    return EXPORTS[target].write(program, About(name, title))


def load(program: Program, target: str, name: str = "optimizer") -> dict[str, Any]:
    """The names of an exported file that was executed."""
    namespace: dict[str, Any] = {"__name__": "an_export"}
    exec(compile(text_of(program, target, name), "exported.py", "exec"), namespace)
    return namespace


def scheduled(program: Program, make: Callable[..., Any], schedule: Any) -> dict[str, Any]:
    """The argument that makes an optimizer follow a schedule whose peak is 1: a number, or a function."""
    parameters = inspect.signature(make).parameters
    if not make_rule(program).reads_schedule:
        return {}
    if "schedule" in parameters:
        return {"schedule": schedule}
    peak = parameters["learning_rate"].default
    return {"learning_rate": (lambda t: peak * schedule(t)) if callable(schedule) else peak * schedule}

"""What ``import lion_search`` gives a user, and what it does not cost."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lion_search
from lion_search.dsl.functions import Function
from lion_search.proxy_tasks.problems.problem import Problem
from lion_search.proxy_tasks.tasks import Task


@pytest.mark.parametrize("name", lion_search.__all__)
def test_each_public_name_resolves(name: str) -> None:
    """To the object that is defined under that name."""
    assert getattr(lion_search, name).__name__ == name
    assert name in dir(lion_search)


def test_public_names_are_those_of_the_rooms() -> None:
    assert (lion_search.Function, lion_search.Problem, lion_search.Task) == (Function, Problem, Task)


def test_what_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Tsak'"):
        _ = lion_search.Tsak  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import lion_search", "jax ray typer pydantic numpy sqlalchemy rich yaml"),
        ("from lion_search import Function, Task, Type", "jax ray typer pydantic sqlalchemy rich yaml"),
        ("import lion_search.cli", "jax ray pydantic numpy sqlalchemy yaml rich.table"),
        (
            "from lion_search.runs.references import find_program; find_program('lion')",
            "jax ray sqlalchemy yaml",
        ),
    ],
)
def test_what_is_not_needed_is_not_imported(code: str, modules: str) -> None:
    script = f"import sys; {code}; print(*sys.modules.keys() & set('{modules}'.split()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

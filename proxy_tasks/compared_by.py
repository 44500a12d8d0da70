"""How losses on a task are compared with those of tuned AdamW: a task's name alone says it.

So scores and logs can be judged without the function that makes the task.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from lion_search.proxy_tasks.reference_options import join_options, split_options


class Fitness(enum.StrEnum):
    """How a loss is compared with that of tuned AdamW."""

    RATIO = "ratio"
    """By the logarithm of their ratio: losses are positive."""
    DIFFERENCE = "difference"
    """By their difference: losses may be zero or negative."""


COMPARED_BY: Mapping[str, Any] = MappingProxyType({"fitness": Fitness.RATIO, "unit": 1.0})
"""Options that no training depends on, with their defaults; a name holds whatever else a user's function
states, so that a score's task says how its loss is compared."""


@cache
def compared_by(name: str) -> tuple[Fitness, float]:
    """How losses on a task of this name are compared with tuned AdamW's, and the unit of their difference."""
    _, options = split_options(name)
    return Fitness(options.get("fitness", Fitness.RATIO)), float(options.get("unit", 1.0))


def trained_as(name: str) -> str:
    """A task's name without how losses are compared: trainings and tuned baselines are the same."""
    base, options = split_options(name)
    return join_options(base, {key: value for key, value in options.items() if key not in COMPARED_BY})


def with_difference(name: str) -> str:
    """The name of a task whose losses are compared by their difference."""
    base, options = split_options(name)
    return join_options(base, {**options, "fitness": Fitness.DIFFERENCE})

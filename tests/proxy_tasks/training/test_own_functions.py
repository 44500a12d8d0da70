"""A user's own functions that look at whole arrays mean the same interpreted and compiled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lion_search.dsl import functions
from lion_search.dsl.encode import CAPACITIES, encode
from lion_search.dsl.functions import Function, Type, add_function
from lion_search.dsl.program import Program
from lion_search.dsl.schedule import BatchSize, Schedule, make_schedule
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.training.batched_interpreter import SCHEDULE_AXES, BatchedInterpreter
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.update_rules import Compiled, Interpreted

LAYOUT = Layout(((2, 3), (3,)))
GRADIENT = np.asarray([1, 3, 10, 20, 30, 5, 2, 4, 9], np.float32)
OWN = (
    Function(
        "centralised",
        (Type.TREE,),
        Type.TREE,
        lambda xp, x: tuple(a - xp.mean(a, axis=0) for a in x),
    ),
    Function(
        "largest",
        (Type.TREE,),
        Type.PER_ARRAY,
        lambda xp, x: tuple(xp.max(xp.sum(a, axis=0)) for a in x),
    ),
    Function("copy", (Type.TREE,), None, lambda xp, x: 2 * x),  # not the machine's own
    Function("arrays", (Type.TREE,), Type.SCALAR, lambda xp, x: sum(xp.mean(a) for a in x)),
    Function(
        "shrunk",
        (Type.TREE, Type.SCALAR),
        Type.TREE,
        lambda xp, x, c: tuple(a / (c + xp.max(xp.abs(a))) for a in x),
    ),
)


@pytest.fixture(autouse=True)
def own_rows() -> Iterator[None]:
    table = dict(functions._TABLE)
    for row in OWN:
        add_function(row)
    yield
    functions._TABLE.clear()
    functions._TABLE.update(table)


def _update(optimizer: Any) -> np.ndarray:
    _, rule, theta = optimizer.bind(LAYOUT)
    theta = jnp.asarray(theta) if isinstance(theta, np.ndarray) else theta
    weights, gradient = jnp.ones(LAYOUT.size), jnp.asarray(GRADIENT)
    return np.asarray(rule.update(theta, weights, gradient, rule.init(theta, weights), jnp.float32(0.5))[0])


LINES = (
    "centralised(g)",
    "largest(g)",
    "g * arrays(g)",
    "shrunk(g, lr)",
    "shrunk(0.5, 2.0)",
    "arrays(norm(g)) * w",
)


def _program(line: str) -> Program:
    return parse(f"def train(w, g, lr):\n    update = {line}\n    return update\n")


@pytest.mark.parametrize("line", LINES)
def test_interpreted_and_compiled_agree(line: str) -> None:
    program = _program(line)
    np.testing.assert_allclose(_update(Interpreted(program)), _update(Compiled(program)), rtol=1e-6)


def test_interpreted_in_step_and_compiled_agree() -> None:
    size = BatchSize(CAPACITIES[0], programs=len(LINES), lanes=3)
    rule, weights = BatchedInterpreter(LAYOUT, size), jnp.ones((len(LINES), LAYOUT.size))

    def update(theta: Schedule, weights: jax.Array) -> jax.Array:
        state = rule.init(theta, weights)
        return rule.update(theta, weights, jnp.asarray(GRADIENT), state, jnp.float32(0.5))[0]

    schedule = make_schedule([encode(_program(line))[1] for line in LINES], size)
    found = jax.jit(jax.vmap(update, (SCHEDULE_AXES, 0)))(schedule, weights)
    expected = [_update(Compiled(_program(line))) for line in LINES]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_one_called_copy_is_not_taken_for_the_machines() -> None:
    program = parse("def train(w, g, m, lr):\n    update = copy(g)\n    return update, g\n")
    np.testing.assert_allclose(_update(Interpreted(program)), 2 * GRADIENT)


def test_one_that_looks_at_columns_is_right() -> None:
    program = parse("def train(w, g, lr):\n    update = centralised(g)\n    return update\n")
    expected = [-9.5, -13.5, 2.5, 9.5, 13.5, -2.5, -3, -1, 4]
    np.testing.assert_allclose(_update(Interpreted(program)), expected)

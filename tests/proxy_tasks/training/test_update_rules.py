"""Every origin of an optimizer becomes the same kind of rule: code that is shared, and data that is not."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from lion_search.dsl.library import library_program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import FAMILIES
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.optax_rules import Optax
from lion_search.proxy_tasks.training.update_rules import Compiled, Interpreted, Optimizer

LAYOUT = Layout(((3, 2), (2,)))
LEARNING_RATES = (1.0, 0.7, 0.4)


def _trace() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [tuple(rng.standard_normal((2, LAYOUT.size)).astype(np.float32)) for _ in LEARNING_RATES]


TRACE = _trace()


def updates(optimizer: Optimizer, theta: Any = None) -> np.ndarray:
    """The updates of the optimizer's rule over the trace, with its own or other data."""
    _, rule, own = optimizer.bind(LAYOUT)
    theta = own if theta is None else theta
    state, found = rule.init(theta, jnp.asarray(TRACE[0][0])), []
    for (weights, gradient), rate in zip(TRACE, LEARNING_RATES, strict=True):
        update, state = rule.update(
            theta, jnp.asarray(weights), jnp.asarray(gradient), state, jnp.float32(rate)
        )
        found.append(np.asarray(update))
    return np.stack(found)


def test_interpreted_programs_of_one_size_are_the_same_code() -> None:
    one, other = Interpreted(library_program("adamw")), Interpreted(library_program("lion"))
    assert one.bind(LAYOUT).key == other.bind(LAYOUT).key


def test_compiled_programs_that_differ_in_constants_are_the_same_code() -> None:
    one, other = (
        Compiled(FAMILIES["adamw"].program(learning_rate=a, weight_decay=b, b1=c, b2=d))
        for a, b, c, d in ((0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8))
    )
    assert one.bind(LAYOUT).key == other.bind(LAYOUT).key
    np.testing.assert_array_equal(updates(one, other.bind(LAYOUT).theta), updates(other))


def test_a_constant_that_is_returned_is_data_too() -> None:
    one, other = (
        Compiled(parse(f"def train(w, g, m, lr):\n    return {x}, {y}")) for x, y in ((1.0, 2.0), (3.0, 4.0))
    )
    assert one.bind(LAYOUT).key == other.bind(LAYOUT).key
    assert updates(one, other.bind(LAYOUT).theta)[0, 0] == 3


def test_compiled_programs_of_other_structure_are_other_code() -> None:
    one, other = Compiled(library_program("adamw")), Compiled(library_program("lion"))
    assert one.bind(LAYOUT).key != other.bind(LAYOUT).key


def test_a_constant_update_is_spread_over_all_weights() -> None:
    program = parse("def train(w, g, lr):\n    return 0.25")
    np.testing.assert_array_equal(updates(Compiled(program)), np.full((3, LAYOUT.size), 0.25, np.float32))


def test_codes_of_different_origin_are_never_mistaken_for_each_other() -> None:
    program = library_program("adamw")
    origins = (Interpreted(program), Compiled(program), Optax("adamw", (("learning_rate", 0.1),)))
    assert len({o.bind(LAYOUT).key for o in origins}) == 3

"""What a user has set of JAX changes no score."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest

from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.scores import Part
from lion_search.proxy_tasks.training.evaluator import Evaluator
from lion_search.proxy_tasks.training.flags import PINNED, flag, pin_flags

OTHERS = {
    "jax_default_prng_impl": "rbg",
    "jax_random_seed_offset": 7,
    "jax_explicit_x64_dtypes": "error",
    "jax_default_matmul_precision": "bfloat16",
    "jax_numpy_dtype_promotion": "strict",
    "jax_optimization_level": "O0",
    "jax_exec_time_optimization_effort": 0.5,
    "jax_memory_fitting_effort": 0.5,
    "jax_memory_fitting_level": "O0",
    "jax_numpy_rank_promotion": "raise",
    "jax_legacy_prng_key": "error",
}
"""Of flags that are not yes or no, what else they may be."""


@pytest.fixture(autouse=True)
def pinned() -> Iterator[None]:
    """The other tests are not disturbed."""
    yield
    pin_flags()


def _other(name: str, value: object) -> object:
    if name.startswith("jax_transfer_guard"):
        return "disallow"
    if name.startswith("jax_error_checking"):
        return "raise"
    return OTHERS.get(name, not value)


@pytest.mark.parametrize("name", PINNED)
def test_each_flag_is_put_back_to_its_default(name: str) -> None:
    if name not in jax.config.values:
        pytest.skip(f"this JAX has no {name}")
    before = flag(name)
    jax.config.update(name, _other(name, PINNED[name]))
    assert flag(name) != before
    pin_flags()
    assert flag(name) == before == PINNED[name]


def test_a_score_is_the_same_whatever_is_set() -> None:
    """Before the task is made ready, and between two trainings."""
    program, seeds = library_program("adamw"), range(2)
    (expected,) = {s.loss for s in Evaluator("own_tasks:tiny").evaluate(program, Part.VALIDATION, [0])}
    for name, value in PINNED.items():
        if name in jax.config.values:
            jax.config.update(name, _other(name, value))
    anew = Evaluator("own_tasks:tiny")
    jax.config.update("jax_default_prng_impl", "rbg")
    jax.config.update("jax_enable_x64", True)
    scores = anew.evaluate(program, Part.VALIDATION, seeds)
    assert scores[0].loss == expected

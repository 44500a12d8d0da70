"""A step of a program as arrays: known optimizers step by step, in every precision, traced or not."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse

Walk = Callable[..., np.ndarray]


def _flat(trees: list[tuple[Any, ...]]) -> np.ndarray:
    """Trees as an array ``[steps, N]``."""
    return np.array([np.concatenate([np.ravel(a) for a in tree]) for tree in trees], np.float64)


@pytest.mark.parametrize("name", ["adamw", "paper/program8", "three_states"])
def test_jax_and_numpy_agree_in_float32(name: str, walk: Walk, known_programs: dict[str, Program]):
    program = known_programs[name]
    numpy = walk(program, num_steps=5, dtype=np.float32)
    by_jax = walk(program, num_steps=5, dtype=np.float32, xp=jnp)
    np.testing.assert_allclose(by_jax, numpy, rtol=1e-4, atol=1e-9)


def test_a_step_can_be_traced(trace: Any, known_programs: dict[str, Program]):
    """One compilation, with the learning rate as an argument."""
    program = known_programs["adamw"]
    domain = ArrayDomain(jnp, trace.shapes, jnp.float32)
    traced = jax.jit(lambda w, g, states, lr: step(program, domain, w, g, states, lr))
    zeros = tuple(jnp.zeros(s) for s in trace.shapes)
    weights, gradient = (tuple(map(jnp.float32, t)) for t in (trace.weights[0], trace.gradients[0]))
    for lr in (0.5, 1.0):
        one, states = traced(weights, gradient, (zeros, zeros), lr)
        other, _ = step(program, domain, weights, gradient, (zeros, zeros), lr)
        np.testing.assert_allclose(_flat([one]), _flat([other]), rtol=1e-5)
        assert [a.shape for tree in states for a in tree] == [*trace.shapes] * 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_has_the_dtype_and_the_shapes_of_the_domain(
    dtype: Any, trace: Any, known_programs: dict[str, Program], evolved: list[Program]
):
    """Nothing is promoted, whatever the constants and functions."""
    domain = ArrayDomain(np, trace.shapes, dtype)
    weights, gradient = (tuple(a.astype(dtype) for a in t) for t in (trace.weights[0], trace.gradients[0]))
    for program in (*known_programs.values(), *evolved):
        zeros = [tuple(np.zeros(s, dtype) for s in trace.shapes)] * len(program.states)
        with np.errstate(all="ignore"):
            update, states = step(program, domain, weights, gradient, zeros, 0.5)
        for tree in (update, *states):
            assert [a.shape for a in tree] == list(trace.shapes)
            assert {a.dtype for a in tree} == {np.dtype(dtype)}


def test_narrow_outputs_are_spread_over_the_tree(trace: Any):
    """A constant, a scalar and one number per array."""
    program = parse("def train(w, g, m, v, lr):\n    p = norm(w)\n    return 0.5, lr, p\n")
    domain = ArrayDomain(np, trace.shapes, np.float64)
    weights = trace.weights[0]
    update, (m, v) = step(program, domain, weights, weights, (weights, weights), 0.25)
    for array, half, quarter, norm in zip(weights, update, m, v, strict=True):
        assert np.array_equal(half, np.full(array.shape, 0.5))
        assert np.array_equal(quarter, np.full(array.shape, 0.25))
        np.testing.assert_allclose(norm, np.full(array.shape, np.sqrt(np.sum(array**2))))


def test_reductions_are_over_the_whole_tree(trace: Any):
    """Each weight counts once, in arrays of any shape; a scalar counts once for each weight."""
    program = parse(
        "def train(w, g, m, v, lr):\n    a = dot(w, g)\n    b = global_norm(lr)\n    return w, a, b\n"
    )
    domain = ArrayDomain(np, trace.shapes, np.float64)
    weights, gradient = trace.weights[0], trace.gradients[0]
    _, (a, b) = step(program, domain, weights, gradient, (weights, weights), 0.25)
    flat_w, flat_g = _flat([weights])[0], _flat([gradient])[0]
    assert a[0].flat[0] == pytest.approx(flat_w @ flat_g)
    assert b[1] == pytest.approx(0.25 * np.sqrt(flat_w.size))


def test_states_come_back_in_the_order_of_the_header(trace: Any):
    program = parse("def train(w, g, first, second, lr):\n    return w, second, first\n")
    domain = ArrayDomain(np, trace.shapes, np.float64)
    one, two = trace.weights[0], trace.weights[1]
    _, (first, second) = step(program, domain, one, one, (one, two), 1.0)
    assert np.array_equal(_flat([first]), _flat([two]))
    assert np.array_equal(_flat([second]), _flat([one]))


def test_nothing_that_is_given_is_changed(trace: Any, known_programs: dict[str, Program]):
    """Programs overwrite their inputs; the caller's arrays stay."""
    domain = ArrayDomain(np, trace.shapes, np.float64)
    state = tuple(np.ones(s) for s in trace.shapes)
    given = (trace.weights[0], trace.gradients[0], state, state)
    copies = [tuple(a.copy() for a in tree) for tree in given]
    step(known_programs["paper/program8"], domain, given[0], given[1], given[2:], 0.5)
    assert all(
        np.array_equal(a, b) for x, y in zip(given, copies, strict=True) for a, b in zip(x, y, strict=True)
    )

"""Exported files, run as anybody's, for the tests of exports."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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


def as_params(arrays: tuple[Any, ...], dtype: Any) -> Any:
    """A step of the trace as a nested tree, leaves in the same order."""
    first, second, third = (jnp.asarray(a, dtype) for a in arrays)
    return {"layer": [first, second], "other": {"inner": (third,)}}


def replay_optax(
    program: Program, trace: Any, num_steps: int, name: str = "optimizer", schedule: Any = None
) -> np.ndarray:
    """The updates of its file for optax on the trace ``[steps, N]``, in float32."""
    rates = jnp.asarray(trace.learning_rates, jnp.float32)
    make = load(program, "optax", name)[name]
    rule = make(**scheduled(program, make, schedule or (lambda count: rates[count])))
    state = rule.init(as_params(trace.weights[0], jnp.float32))
    updates = []
    for t in range(num_steps):
        params = as_params(trace.weights[t], jnp.float32)
        update, state = rule.update(as_params(trace.gradients[t], jnp.float32), state, params)
        assert jax.tree.structure(update) == jax.tree.structure(params)
        assert [u.shape for u in jax.tree.leaves(update)] == list(trace.shapes)
        updates.append(-np.concatenate([np.ravel(u).astype(np.float64) for u in jax.tree.leaves(update)]))
    return np.array(updates)

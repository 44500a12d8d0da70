"""Exports to all array libraries agree with the program and so with each other, by what their steps give.

As in ARCHITECTURE.md and ``shared/design.md``: where the history is finite and well conditioned.
"""

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dsl_programs import written
from exported import load, replay_optax

from lion_search.dsl.export.hyperparameters import make_rule
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program

NUM_STEPS = 4


def _recorded(names: dict[str, Any], function: str, updates: list[Any]) -> None:
    """Keeps the first output of each call of an exported file's step."""
    step = names[function]

    def recording(*args: Any) -> Any:
        found = step(*args)
        updates.append(found[0])
        return found

    names[function] = recording


def _flat(updates: list[Any], num_steps: int) -> np.ndarray:
    """The updates ``[steps, N]``: of a call for each array, or of one for all."""
    leaves = [x for u in updates for x in (u if isinstance(u, list | tuple) else [u])]
    flat = np.concatenate([np.ravel(np.asarray(x, np.float64)) for x in leaves])
    return flat.reshape(num_steps, -1)


def _rates(program: Program, trace: Any) -> list[float]:
    """The learning rate of each step; of a program that does not look at the schedule it is constant."""
    rule = make_rule(program)
    peak = rule.defaults["learning_rate"]
    return [peak * r if rule.reads_schedule else peak for r in trace.learning_rates]


def with_torch(program: Program, trace: Any, *, foreach: bool = False) -> np.ndarray:
    """In float64."""
    torch = pytest.importorskip("torch")
    names, updates, rates = load(program, "torch"), [], _rates(program, trace)
    _recorded(names, "_foreach_step" if foreach else "_step", updates)
    params = [torch.nn.Parameter(torch.tensor(w)) for w in trace.weights[0]]
    optimizer = names["Optimizer"](params, foreach=foreach)
    for group in optimizer.param_groups:
        if "peak_lr" in group:
            group["peak_lr"] = group["lr"]
    for t in range(NUM_STEPS):
        for p, w, g in zip(params, trace.weights[t], trace.gradients[t], strict=True):
            p.data.copy_(torch.tensor(w))
            p.grad = torch.tensor(g)
        optimizer.param_groups[0]["lr"] = rates[t]
        optimizer.step()
    return _flat(updates, NUM_STEPS)


def with_foreach(program: Program, trace: Any) -> np.ndarray:
    return with_torch(program, trace, foreach=True)


def with_numpy(program: Program, trace: Any) -> np.ndarray:
    """In float64."""
    names, updates = load(program, "numpy"), []
    _recorded(names, "_step", updates)
    rates = _rates(program, trace)
    rule = make_rule(program)
    if rule.has_schedule:
        optimizer = names["Optimizer"](schedule=lambda t: trace.learning_rates[t])
    else:
        optimizer = names["Optimizer"](learning_rate=lambda t: rates[t])
    for t in range(NUM_STEPS):
        optimizer.step(trace.weights[t], trace.gradients[t])
    return _flat(updates, NUM_STEPS)


def with_keras(program: Program, trace: Any) -> np.ndarray:
    """In float32, on JAX."""
    os.environ["KERAS_BACKEND"] = "jax"
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "jax":
        pytest.skip("keras has been imported with another backend")
    names, updates, rates = load(program, "keras"), [], _rates(program, trace)
    _recorded(names, "_step", updates)
    rule = make_rule(program)
    more = {"peak": rule.defaults["learning_rate"]} if rule.has_schedule else {}
    optimizer = names["Optimizer"](**more)
    variables = [keras.Variable(np.float32(w)) for w in trace.weights[0]]
    for t in range(NUM_STEPS):
        for variable, w in zip(variables, trace.weights[t], strict=True):
            variable.assign(np.float32(w))
        optimizer.build(variables)
        optimizer.learning_rate = rates[t]
        optimizer.apply([keras.ops.convert_to_tensor(np.float32(g)) for g in trace.gradients[t]], variables)
    return _flat(updates, NUM_STEPS)


def with_optax(program: Program, trace: Any) -> np.ndarray:
    """In float32."""
    return replay_optax(program, trace, NUM_STEPS)


TARGETS: dict[str, tuple[Callable[..., np.ndarray], type, float]] = {
    "optax": (with_optax, np.float32, 1e-2),
    "torch": (with_torch, np.float64, 1e-4),
    "torch, foreach": (with_foreach, np.float64, 1e-4),
    "numpy": (with_numpy, np.float64, 1e-4),
    "keras": (with_keras, np.float32, 1e-2),
}
"""How each is replayed, in which precision, and within which share of an update it agrees."""


def _wrong(
    program: Program,
    target: str,
    tolerance: float,
    trace: Any,
    walk: Callable,
    reference: Callable[..., SimpleNamespace],
) -> tuple[str, float]:
    """What is wrong with an export, and how much of it can be compared."""
    replay, dtype, _ = TARGETS[target]
    expected = walk(program, num_steps=NUM_STEPS, dtype=dtype)[:, 0]
    comparable = reference(program, num_steps=NUM_STEPS, shake=1e-6).comparable[:, 0] & np.isfinite(expected)
    # What float32 cannot hold has lost digits or been flushed to zero.
    comparable &= ((np.abs(expected) > 1e-30) | (expected == 0)) & (np.abs(expected) < 1e30)
    found = replay(program, trace)
    if dtype is np.float32:  # XLA takes subnormal numbers for zero, and the sign of zero has no inverse
        comparable &= np.isfinite(found)
    with np.errstate(invalid="ignore"):
        wrong = comparable & ~(np.abs(found - expected) <= tolerance * np.abs(expected))
    if not wrong.any():
        return "", float(comparable.mean())
    return f"{format_program(program)}\n{found[wrong][:5]}\n{expected[wrong][:5]}", float(comparable.mean())


CORNERS = [
    written("", returned="w"),
    written("", returned="g"),
    written("", returned="lr"),
    written("", returned="0.5"),
    written("", "s = global_norm(g)", returned="s"),
    written("", "p = norm(g)", returned="p"),
    written("", "p = norm(g)", "c = clip(p, 1.0)", "q = norm(c)", returned="q"),
    written("m", "update = m + g", "m = g"),
    written("m", "update = m + g", "m = 0.25"),
    written("m", "update = m + g", "m = global_norm(w)"),
    written("m", "update = m + g", "m = norm(w)"),
    written("m, v", "update = m + g", "n = v * 0.5", "v = m", "m = n + g"),
    written("", "w = sin(w)", "g = g * w", "lr = lr * g", "update = lr + w"),
    written("m, v", "update = m + v", "a = w", "v = g", "m = a"),
    written("m, v", "update = m - v", "a = m", "m = v + g", "v = a"),
    written("m", "update = m + clip(g, 0.5)", "m = norm(w)"),
    written("", "update = minimum(g, reciprocal(0.0))"),
    written("", "z = lr - lr; update = maximum(g, reciprocal(z)) * 0.5"),
    written("", "update = power(0.5, 0.25) * g"),
    written("", "wd = lr * 0.3; update = clip(g, 0.5) + wd * w"),
    written("", "s = sin(lr) * 0.5", "update = s * interp(g, w, s) / cosine_sim(g, w)"),
    written("", "update = clip(g, sqrt(lr))"),
    written("m", "m = interp(m, g, 0.1)", "update = m * 0.25"),
    written("m", "m = interp(m, g, 0.1)", "update = (m * 0.25) * lr"),
]


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_does_what_the_program_does(
    target: str,
    trace: Any,
    walk: Callable[..., np.ndarray],
    reference: Callable[..., SimpleNamespace],
    evolve: Callable[..., Program],
    known_programs: dict[str, Program],
    pytestconfig: pytest.Config,
) -> None:
    """Of all known programs, corners, and evolved ones; prints how much can be compared."""
    number = 200 if pytestconfig.getoption("--large") else 16 if target in ("optax", "keras") else 60
    programs = dict.fromkeys(known_programs.values(), 1e-4)
    programs |= dict.fromkeys((*CORNERS, *map(evolve, range(number))), TARGETS[target][2])
    found = [
        _wrong(program, target, tolerance, trace, walk, reference) for program, tolerance in programs.items()
    ]
    shares = [share for _, share in found]
    print(f"{target}: {np.mean(shares):.0%} can be compared, nothing of {shares.count(0)} of {len(shares)}")
    assert "".join(message for message, _ in found) == ""
    assert np.mean(shares) > 0.5

"""Optax optimizers as update rules: ``optax:adamw?learning_rate=1e-3``, or a function of a file or module.

``optax:NAME`` is a function of optax or of ``optax.contrib``; ``optax:FILE.py:FUNCTION`` and
``optax:MODULE:FUNCTION`` a user's own, such as an exported program. Options are its arguments
(:mod:`lion_search.proxy_tasks.training.optax_arguments`). What needs the loss of the batch, such as a line
search, gets it as optax's extra arguments ``value``, ``grad`` and ``value_fn``.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from optax.contrib import ScheduleFreeState, schedule_free_eval_params

from lion_search.dsl.errors import did_you_mean, reason_of
from lion_search.dsl.imports import import_name
from lion_search.proxy_tasks.reference_options import split_options
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.optax_arguments import (
    IN_A_FILE,
    PREFIX,
    RATES,
    Argument,
    OptimizerError,
    read_arguments,
)
from lion_search.proxy_tasks.training.rival_rules import AverageState
from lion_search.proxy_tasks.training.update_rules import BatchLoss, Bound, LossRule, UpdateRule

_MAX_REASON = 200
"""Characters of what another's code says."""
_TRIAL = Layout(((3, 2), (2,)))
"""What an optimizer is tried on where there is no task yet."""


@dataclass(frozen=True, slots=True)
class Optax:
    """An optax optimizer: the function that makes it, and its arguments by name.

    Numbers are data, so that others need no new compilation, unless they decide what is computed; all else
    is code.
    """

    family: str
    hyperparameters: tuple[tuple[str, Argument], ...] = ()
    numbers_are_code: bool = False

    def bind(self, layout: Layout) -> Bound:
        make = find_family(self.family)
        theta = {k: np.float32(v) for k, v in self.hyperparameters if self._is_data(k, v)}
        code = tuple((k, v) for k, v in self.hyperparameters if k not in theta)
        return Bound(("optax", make, tuple(theta), code), _rule(make, layout, code, tuple(theta)), theta)

    def _is_data(self, name: str, value: Argument) -> bool:
        return type(value) in {int, float} and (name in RATES or not self.numbers_are_code)


def read_optax(reference: str, layout: Layout = _TRIAL) -> Optax:
    """The optimizer a reference names, checked by a trial.

    Args:
        reference: with or without its prefix.
        layout: of the weights it is tried on.

    Raises:
        OptimizerError: no such function or argument, or it is no optimizer that can be scored.
        OptionError: the options cannot be read.
    """
    name, options = split_options(reference.removeprefix(PREFIX))
    arguments = tuple(read_arguments(name, find_family(name), options).items())
    try:
        _try(found := Optax(name, arguments), layout)
    except Exception:  # noqa: BLE001 -- where numbers decide what is computed, tracing them fails in many ways
        _try_and_tell(found := Optax(name, arguments, numbers_are_code=True), layout)
    return found


def find_family(name: str) -> Callable[..., Any]:
    """The function that makes an optimizer, from its hyper-parameters.

    Raises:
        OptimizerError: there is none.
        UserCodeError: a user's own cannot be imported.
    """
    if name.endswith(".py"):
        raise OptimizerError(f"'{name}': expected {PREFIX}FILE.py:FUNCTION")
    path, _, function = name.rpartition(":")
    if path.endswith(".py"):
        return _from_file(Path(path), function)
    if path:
        return import_name(name, "optimizer")
    families = _families()
    if name not in families:
        if inspect.isfunction(getattr(optax, name, None) or getattr(optax.contrib, name, None)):
            raise OptimizerError(
                f"optax's '{name}' is no optimizer by itself: it has no learning rate; {IN_A_FILE}"
            )
        raise OptimizerError(
            f"optax has no optimizer '{name}'{did_you_mean(name, families)}; "
            f"there are: {', '.join(sorted(families))}"
        )
    return families[name]


def _families() -> dict[str, Callable[..., Any]]:
    """Optax's optimizers: its public functions of a learning rate."""
    return {
        name: found
        for module in (optax.contrib, optax)
        for name, found in vars(module).items()
        if (inspect.isfunction(found) or isinstance(found, partial))
        and not name.startswith(("_", "scale_by_"))
        and any(parameter.endswith("learning_rate") for parameter in inspect.signature(found).parameters)
    }


def _from_file(path: Path, function: str) -> Callable[..., Any]:
    if not path.is_file():
        raise OptimizerError(f"no file '{path}'")
    try:
        found: Callable[..., Any] = getattr(_module(path.absolute(), path.read_bytes()), function)
    except Exception as error:  # whatever a user's file does
        raise OptimizerError(f"cannot import '{path}:{function}': {reason_of(error)}") from error
    return found


@cache
def _module(path: Path, source: bytes) -> ModuleType:
    """A file as a module; each version of it is run once in a process."""
    name = f"lion_search_optimizer_{path.stem}_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look it up there
    exec(compile(source, path, "exec"), vars(module))  # noqa: S102 -- the user's own; its .pyc may be old
    return module


def _try(optimizer: Optax, layout: Layout) -> None:
    """Prepares two steps and what is scored, so that an optimizer that cannot be trained is found."""
    _, rule, theta = optimizer.bind(layout)

    def two_steps(theta: Any, weights: jax.Array) -> jax.Array:
        def step(carry: Any, _: None) -> tuple[Any, None]:
            weights, state = carry
            update, state = _first_update(rule, theta, weights, state)
            return (weights - update, state), None

        end, _ = lax.scan(step, (weights, rule.init(theta, weights)), None, length=2)
        return rule.weights_to_score(theta, *end)

    # Some mistakes, as a random key made of a traced number, are found only when code is made of the trace.
    jax.jit(two_steps).lower(theta, jax.ShapeDtypeStruct((layout.size,), jnp.float32))


def _first_update(
    rule: UpdateRule | LossRule, theta: Any, weights: jax.Array, state: Any
) -> tuple[jax.Array, Any]:
    """A step on half the square of the weights, whose gradient they are."""

    def half_square(weights: jax.Array) -> jax.Array:
        return weights @ weights / 2

    given = (theta, weights, weights, state, jnp.float32(1))
    if isinstance(rule, LossRule):
        loss = BatchLoss(half_square(weights), half_square, jax.new_ref(jnp.int32(0)))
        return rule.update_with_loss(*given, loss)
    return rule.update(*given)


def _try_and_tell(optimizer: Optax, layout: Layout) -> None:
    try:
        _try(optimizer, layout)
    except Exception as error:  # whatever optax or a user's function does
        reason = " ".join(str(error).split())[:_MAX_REASON]
        if missing := re.search(r"missing \d+ required .*arguments?: (.*)", reason):
            reason = f"a step needs {missing[1]}; training gives it gradient, weights and loss only"
        else:
            reason = f"{type(error).__name__}: {reason}"
        raise OptimizerError(f"'{optimizer.family}' cannot be scored: {reason}") from error


@dataclass(frozen=True, slots=True)
class _OptaxRule:
    make: Callable[..., Any]
    layout: Layout
    code: tuple[tuple[str, Argument], ...]

    def init(self, theta: Any, weights: jax.Array) -> Any:
        return self._transformation(theta, jnp.float32(1)).init(self.layout.split(weights))

    def update(
        self, theta: Any, weights: jax.Array, gradient: jax.Array, state: Any, lr: jax.Array, **extra: Any
    ) -> tuple[jax.Array, Any]:
        split = self.layout.split
        transformation = self._transformation(theta, lr)
        updates, state = transformation.update(split(gradient), state, split(weights), **extra)
        if _shapes(updates) != self.layout.shapes:
            raise ValueError("its updates have not the shapes of the weights")
        return -self.layout.join(updates), state

    def weights_to_score(self, theta: Any, weights: jax.Array, state: Any) -> jax.Array:
        parts = self.layout.split(weights)
        averages: list[Any] = [
            node for node in jax.tree.leaves(state, is_leaf=_is_average) if _is_average(node)
        ]
        if not averages:
            return weights
        if len(averages) > 1 or _shapes(_of_weights(averages[0])) != self.layout.shapes:
            raise ValueError("it averages weights in several places, or only some; one average can be scored")
        return self.layout.join(jax.tree.leaves(_average(averages[0], parts)))

    def _transformation(self, theta: Any, lr: jax.Array) -> Any:
        """The optimizer at this step: what takes the learning rate gets its peak times the schedule."""
        arguments = {**theta, **dict(self.code)}
        parameters = inspect.signature(self.make).parameters
        main, *_ = [*filter(parameters.__contains__, RATES), None]
        if main:
            peak = arguments.get(main, parameters[main].default)
            arguments[main] = lr * (peak if isinstance(peak, (int, float, np.floating, jax.Array)) else 1)
        others = {*RATES} - {main} if main != "schedule" else set()
        for other in others & {*arguments}:
            arguments[other] = lr * arguments[other]
        return self.make(**arguments)


@dataclass(frozen=True, slots=True)
class _OptaxLossRule:
    """One whose step needs the loss of the batch."""

    plain: _OptaxRule

    def init(self, theta: Any, weights: jax.Array) -> Any:
        return self.plain.init(theta, weights)

    def update_with_loss(
        self,
        theta: Any,
        weights: jax.Array,
        gradient: jax.Array,
        state: Any,
        lr: jax.Array,
        loss: BatchLoss,
    ) -> tuple[jax.Array, Any]:
        layout = self.plain.layout
        extra = {
            "value": loss.value,
            "grad": layout.split(gradient),
            "value_fn": lambda params: loss(layout.join(jax.tree.leaves(params))),
        }
        return self.plain.update(theta, weights, gradient, state, lr, **extra)

    def weights_to_score(self, theta: Any, weights: jax.Array, state: Any) -> jax.Array:
        return self.plain.weights_to_score(theta, weights, state)


@cache
def _rule(
    make: Callable[..., Any], layout: Layout, code: tuple[tuple[str, Argument], ...], data: tuple[str, ...]
) -> _OptaxRule | _OptaxLossRule:
    """The rule, with the loss where a step cannot be traced without; what fails in either way tells later."""
    plain = _OptaxRule(make, layout, code)
    with_loss = _OptaxLossRule(plain)
    theta = dict.fromkeys(data, jax.ShapeDtypeStruct((), jnp.float32))
    weights = jax.ShapeDtypeStruct((layout.size,), jnp.float32)
    return with_loss if not _steps(plain, theta, weights) and _steps(with_loss, theta, weights) else plain


def _steps(rule: UpdateRule | LossRule, theta: Any, weights: Any) -> bool:
    """Whether a step can be traced."""

    def first_step(theta: Any, weights: jax.Array) -> Any:
        return _first_update(rule, theta, weights, rule.init(theta, weights))

    try:
        jax.eval_shape(first_step, theta, weights)
    except Exception:  # noqa: BLE001 -- whatever optax or a user's function does
        return False
    return True


def _shapes(tree: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(map(jnp.shape, jax.tree.leaves(tree)))


def _is_average(node: Any) -> bool:
    """Whether it is the state of an optimizer that is to be scored at an average of its weights."""
    return isinstance(node, (ScheduleFreeState, AverageState))


def _of_weights(node: ScheduleFreeState | AverageState) -> Any:
    """What of a state has the shapes of the weights that it averages."""
    return node.average if isinstance(node, AverageState) else node.z


def _average(node: ScheduleFreeState | AverageState, weights: Any) -> Any:
    """The average of the weights that a state holds."""
    return node.average if isinstance(node, AverageState) else schedule_free_eval_params(node, weights)

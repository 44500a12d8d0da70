"""Optax optimizers as update rules: ``optax:adamw?learning_rate=1e-3``, or a function of a file or module.

``optax:NAME`` is a function of optax or of ``optax.contrib``; ``optax:FILE.py:FUNCTION`` and
``optax:MODULE:FUNCTION`` a user's own, such as an exported program. Options are its arguments.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lion_search.dsl.errors import LionSearchError, did_you_mean, reason_of
from lion_search.dsl.imports import import_name
from lion_search.proxy_tasks.reference_options import read_number, split_options
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.update_rules import Bound

PREFIX = "optax:"
_RATES = ("learning_rate", "schedule")
"""What optimizers call the argument that takes the learning rate; exported programs have the second."""


class OptimizerError(LionSearchError):
    """An optimizer that does not exist or cannot be used."""


@dataclass(frozen=True, slots=True)
class Optax:
    """An optax optimizer: the function that makes it, and its arguments by name.

    Numbers are data, so that others need no new compilation; truth values are code.
    """

    family: str
    hyperparameters: tuple[tuple[str, float | bool], ...] = ()

    def bind(self, layout: Layout) -> Bound:
        make = find_family(self.family)
        theta = {k: np.float32(v) for k, v in self.hyperparameters if not isinstance(v, bool)}
        flags = {k: v for k, v in self.hyperparameters if isinstance(v, bool)}
        rule = _OptaxRule(make, layout, tuple(flags.items()))
        return Bound(("optax", make, tuple(theta), tuple(flags.items())), rule, theta)


def read_optax(reference: str) -> Optax:
    """The optimizer a reference names, checked by a trial step on a weight of each shape.

    Raises:
        OptimizerError: no such function or argument, or it is no optimizer that can be scored.
        OptionError: the options cannot be read.
    """
    name, options = split_options(reference.removeprefix(PREFIX))
    make = find_family(name)
    _check_arguments(name, make, options)
    found = Optax(name, tuple((key, _value(name, key, text)) for key, text in options.items()))
    _try(found)
    return found


def find_family(name: str) -> Callable[..., Any]:
    """The function that makes an optimizer, from its hyper-parameters.

    Raises:
        OptimizerError: there is none.
        UserCodeError: a user's own cannot be imported.
    """
    path, _, function = name.rpartition(":")
    if path.endswith(".py"):
        return _from_file(Path(path), function)
    if path:
        return import_name(name, "optimizer")
    families = _families()
    if name not in families:
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
        if inspect.isfunction(found)
        and not name.startswith(("_", "scale_by_"))
        and "learning_rate" in inspect.signature(found).parameters
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


def _check_arguments(name: str, make: Callable[..., Any], options: Mapping[str, str]) -> None:
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError) as error:
        raise OptimizerError(f"'{name}' is no function that says what it takes") from error
    for key in options:
        if key not in parameters:
            raise OptimizerError(
                f"'{name}' has no argument '{key}'{did_you_mean(key, parameters)}; "
                f"there are: {', '.join(parameters)}"
            )
    missing = [
        key for key, p in parameters.items()
        if key not in options and p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]  # fmt: skip
    if missing:
        example = f"{PREFIX}{name}?{','.join(f'{key}=0.001' for key in missing)}"
        raise OptimizerError(f"'{name}' needs {', '.join(missing)}; for example {example}")


def _value(name: str, key: str, text: str) -> float | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return read_number(text)
    except ValueError as error:
        raise OptimizerError(f"'{name}': {key}={text}: expected a number, true or false") from error


def _try(optimizer: Optax) -> None:
    """Traces one step, so that an optimizer which needs more than a gradient is refused at once."""
    layout = Layout(((3, 2), (2,)))
    _, rule, theta = optimizer.bind(layout)

    def one_step(theta: Any, weights: jax.Array) -> jax.Array:
        return rule.update(theta, weights, weights, rule.init(theta, weights), jnp.float32(1))[0]

    try:
        jax.eval_shape(one_step, theta, jax.ShapeDtypeStruct((layout.size,), jnp.float32))
    except Exception as error:  # whatever optax or a user's function does
        reason = str(error).partition("\n")[0]
        raise OptimizerError(
            f"'{optimizer.family}' cannot be scored: {type(error).__name__}: {reason}"
        ) from error


@dataclass(frozen=True, slots=True)
class _OptaxRule:
    make: Callable[..., Any]
    layout: Layout
    flags: tuple[tuple[str, bool], ...]

    def init(self, theta: Any, weights: jax.Array) -> Any:
        return self._transformation(theta, jnp.float32(1)).init(self.layout.split(weights))

    def update(
        self, theta: Any, weights: jax.Array, gradient: jax.Array, state: Any, lr: jax.Array
    ) -> tuple[jax.Array, Any]:
        split = self.layout.split
        transformation = self._transformation(theta, lr)
        updates, state = transformation.update(split(gradient), state, split(weights))
        return -self.layout.join(updates), state

    def _transformation(self, theta: Any, lr: jax.Array) -> Any:
        """The optimizer at this step: what takes the learning rate gets its peak times the schedule."""
        arguments = {**theta, **dict(self.flags)}
        parameters = inspect.signature(self.make).parameters
        for name in filter(parameters.__contains__, _RATES):
            peak = arguments.get(name, parameters[name].default)
            arguments[name] = lr * (peak if isinstance(peak, (int, float, np.floating, jax.Array)) else 1)
            break
        return self.make(**arguments)

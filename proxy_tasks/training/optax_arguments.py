"""The arguments of optax optimizers as text: what each may be is read from its default and annotation."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

import jax.numpy as jnp

from lion_search.dsl.errors import LionSearchError, did_you_mean
from lion_search.proxy_tasks.reference_options import read_number

PREFIX = "optax:"
RATES = ("schedule", "learning_rate", "adam_learning_rate")
"""What optimizers call the argument that takes the learning rate. The first is of exports that look at the
schedule itself: their learning rate is a number beside it. The last is a second one of ``muon``."""

IN_A_FILE = f"make one in a function of your own, {PREFIX}FILE.py:FUNCTION"

Argument = float | int | bool | str | None


class OptimizerError(LionSearchError):
    """An optimizer that does not exist or cannot be used."""


def read_arguments(name: str, make: Callable[..., Any], options: Mapping[str, str]) -> dict[str, Argument]:
    """The values of a reference's options.

    Args:
        name: of the optimizer.
        make: the function that makes it.
        options: as text, by name.

    Raises:
        OptimizerError: there is no such argument, one is missing, or a value is none that it takes.
    """
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError) as error:
        raise OptimizerError(f"'{name}' is no function that says what it takes") from error
    named = {
        key: p for key, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }  # fmt: skip
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key in options:
        if key not in named and not takes_any:
            raise OptimizerError(
                f"'{name}' has no argument '{key}'{did_you_mean(key, named)}; there are: {', '.join(named)}"
            )
    _check_complete(name, [p for key, p in named.items() if key not in options and p.default is p.empty])
    any_value = Parameter("any", Parameter.KEYWORD_ONLY)
    return {
        key: _read(f"'{name}': {key}={text}", named.get(key, any_value), text)
        for key, text in options.items()
    }


def _check_complete(name: str, missing: list[Parameter]) -> None:
    if not missing:
        return
    if other := [p.name for p in missing if not _is_text(p)]:
        raise OptimizerError(f"'{name}' needs {', '.join(other)}, which is no number or word; {IN_A_FILE}")
    values: dict[type | None, str] = {int: "1", bool: "true", str: "word"}
    example = ",".join(f"{p.name}={values.get(_declared(p), '0.001')}" for p in missing)
    raise OptimizerError(
        f"'{name}' needs {', '.join(p.name for p in missing)}; for example {PREFIX}{name}?{example}"
    )


def _read(where: str, parameter: Parameter, text: str) -> Argument:
    word = text.lower()
    declared = _declared(parameter)
    if not _is_text(parameter):
        raise OptimizerError(f"{where}: takes a function or several values; {IN_A_FILE}")
    if declared is bool:
        return _read_truth(where, word)
    if declared is str:
        return text
    is_rate = parameter.name in RATES
    if word == "none" and not is_rate:
        return None
    if "dtype" in parameter.name:
        return _read_dtype(where, text)
    if declared is None and not is_rate and word in ("true", "false"):
        return word == "true"
    try:
        number = read_number(text)
    except ValueError as error:
        raise OptimizerError(f"{where}: expected a finite number") from error
    return int(text) if re.fullmatch("[+-]?[0-9]+", text) else number


def _read_truth(where: str, word: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if word not in known:
        raise OptimizerError(f"{where}: expected true or false")
    return known[word]


def _read_dtype(where: str, text: str) -> str:
    try:
        jnp.dtype(text)
    except TypeError as error:
        raise OptimizerError(f"{where}: expected a dtype, such as bfloat16, or none") from error
    return text


def _declared(parameter: Parameter) -> type | None:
    """What an argument's annotation or default says that it is: one of four types, if any."""
    annotation = inspect.formatannotation(parameter.annotation).strip("'")
    match = re.fullmatch(r"(?:Optional\[)?(bool|int|float|str)(?:\]| \| None)?", annotation)
    if match:
        return {"bool": bool, "int": int, "float": float, "str": str}[match[1]]
    return next((t for t in (bool, int, float, str) if isinstance(parameter.default, t)), None)


def _is_text(parameter: Parameter) -> bool:
    """Whether a number or a word can be what an argument takes, and not only functions, trees or tuples."""
    if _declared(parameter) is not None or "dtype" in parameter.name:
        return True
    annotation = inspect.formatannotation(parameter.annotation)
    is_other = re.search("ArrayTree|GradientTransformation", annotation) or (
        "Callable" in annotation and "float" not in annotation
    )
    return parameter.default in (None, parameter.empty) and not is_other

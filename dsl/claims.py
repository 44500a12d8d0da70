"""What a row states of itself, as equations on numbers: a table, one entry for each property."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.function import CommonFactor, Function, Parity, Type, ZeroIf
from lion_search.dsl.functions import FUNCTIONS

POINT = np.asarray([-40.0, -3.0, -1.0, -0.6, -1e-3, 0.0, 1e-3, 0.6, 1.0, 3.0, 40.0])
_X, _Y = np.meshgrid(POINT, POINT)
_SCALAR = 0.3
"""What stands for an argument that must be a scalar."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Numbers that are equal, where both are finite, if a property is as stated.

    Attributes:
        name: of the property.
        points: the arguments.
        found: one side of the equation.
        expected: the other.
    """

    name: str
    points: tuple[np.ndarray, ...]
    found: np.ndarray
    expected: np.ndarray


def points(row: Function) -> tuple[np.ndarray, ...]:
    """What a row's trees are tried on: a grid."""
    return (POINT,) if row.arity - row.parameters.count(Type.SCALAR) == 1 else (_X, _Y)


def values(row: Function, *trees: np.ndarray) -> np.ndarray:
    """Of numbers one by one, each a tree of its own where whole trees are wanted; a scalar is 0.3."""
    columns = iter(trees)
    args = [_SCALAR + 0 * trees[0] if p is Type.SCALAR else next(columns) for p in row.parameters]
    with np.errstate(all="ignore"):
        if row.elementwise:
            return np.asarray(row.meaning(np, *args))
        found = []
        for numbers in zip(*map(np.ravel, args), strict=True):
            pairs = zip(numbers, row.parameters, strict=True)
            wrapped = [n if p is Type.SCALAR else (np.reshape(n, 1),) for n, p in pairs]
            value = row.meaning(np, *wrapped)
            found.append(np.ravel(value)[0])
        return np.reshape(found, np.shape(trees[0]))


def claims(row: Function) -> Iterator[Claim]:
    """The equations of all that a row states; of a function without arguments, none."""
    if not row.arity:
        return
    at = points(row)
    with np.errstate(all="ignore"):
        value = values(row, *at)
        for of_kind in (_of_range, _of_signs, _of_factors, _of_others):
            for name, found, expected in of_kind(row, at, value):
                yield Claim(name, at, np.asarray(found, float), np.asarray(expected, float))


_Equations = Iterator[tuple[str, Any, Any]]


def _of_range(row: Function, at: tuple[Any, ...], value: np.ndarray) -> _Equations:
    known = row.properties
    yield f"low={known.low:g}", np.minimum(value - known.low, 0), 0 * value
    yield f"high={known.high:g}", np.maximum(value - known.high, 0), 0 * value
    if known.is_positive:
        yield "is_positive", (value > 0) | (np.abs(value) < 1e-12), ~np.isnan(value)
    if known.keeps_nonnegative:
        yield "keeps_nonnegative", np.minimum(values(row, *map(np.abs, at)), 0), 0 * value
    if known.keeps_sign:
        yield "keeps_sign", np.sign(value), np.sign(at[0]) + 0 * value


def _of_signs(row: Function, at: tuple[Any, ...], value: np.ndarray) -> _Equations:
    """Of joint parity there is no equation: it says what a value answers to, for its name."""
    first, *rest = at
    match row.properties.parity:
        case Parity.ODD:
            yield "Parity.ODD", values(row, -first, *rest), -value
        case Parity.EVEN:
            yield "Parity.EVEN", values(row, *(-a for a in at)), value
            yield "Parity.EVEN", values(row, *map(np.abs, at)), value
        case Parity.PRODUCT:
            yield (
                "Parity.PRODUCT",
                np.where(rest[0], values(row, -first, *rest), 0),
                np.where(rest[0], -value, 0),
            )
            yield (
                "Parity.PRODUCT",
                np.where(rest[0], values(row, first, -rest[0]), 0),
                np.where(rest[0], -value, 0),
            )


def _of_factors(row: Function, at: tuple[Any, ...], value: np.ndarray) -> _Equations:
    known = row.properties
    for position, degree in enumerate(known.degrees):
        scaled = values(row, *(2 * a if i == position else a for i, a in enumerate(at)))
        yield f"degrees={known.degrees}", scaled, 2.0**degree * value
    if known.common_factor is not None and len(at) == 2:
        factor = -2.0 if known.common_factor is CommonFactor.ANY else 2.0
        yield str(known.common_factor), values(row, *(factor * a for a in at)), factor * value


def _of_others(row: Function, at: tuple[Any, ...], value: np.ndarray) -> _Equations:
    known = row.properties
    first, last = at[0], at[-1]
    if known.zero_if is not None:
        zeros = {ZeroIf.FIRST: (0 * first, *at[1:]), ZeroIf.ANY: (*at[:-1], 0 * last)}
        at_zero = values(row, *zeros.get(known.zero_if, tuple(0 * a for a in at)))
        is_safe = (last > 0) | (len(at) == 1)  # a power of a negative number, say, is left alone
        yield str(known.zero_if), np.where(is_safe, at_zero, 0), 0 * at[0]
    for name in known.undoes:
        yield f"undoes={name}", values(row, _of_function(name, at[0])), at[0]
    for name in known.undoes_up_to_sign:
        yield f"undoes_up_to_sign={name}", values(row, _of_function(name, at[0])), np.abs(at[0])
    if known.averages:
        yield "averages", value, (1 - _SCALAR) * first + _SCALAR * last
    if row.commutative:
        yield "commutative", values(row, *at[::-1]), value


def _of_function(name: str, at: np.ndarray) -> np.ndarray:
    if name not in FUNCTIONS:
        raise LionSearchError(f"its properties name '{name}', which is no function of the language")
    return values(FUNCTIONS[name], at)

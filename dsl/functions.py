"""The functions of the language: one row each, and nothing about them anywhere else.

The table holds the 43 functions of Appendix H of Chen et al. (arXiv 2302.06675) and ``negative``. A
row's ``meaning`` is written once over an array namespace ``xp`` (``numpy`` or ``jax.numpy``), so that the
two meanings cannot drift apart; the tests hold each row against an independent float64 reference.

Protected semantics, from the authors' release: ``log``, ``log2``, ``log10`` and ``sqrt`` act on ``|x|``,
``log1p`` is ``log|1 + x|``, ``x / y`` is ``x / (y + 1e-8)``. ``reciprocal`` and ``cosine_sim`` are
unprotected.
"""

from __future__ import annotations

import enum
import keyword
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lion_search.dsl.errors import ProgramError
from lion_search.dsl.imports import import_name

EPSILON = 1e-8
"""The protective constant of division, and what ``get_eps`` returns (authors' release)."""


class Type(enum.IntEnum):
    """The type of a value, ordered by width: a narrower one is cast to a wider one by broadcasting."""

    SCALAR = 0
    """One number."""
    PER_ARRAY = 1
    """One number for each array of the weight tree."""
    TREE = 2
    """One number for each weight."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the language.

    Attributes:
        name: the stable name, used in text and in the log.
        parameters: the widest type each parameter takes; narrower arguments are cast.
        result: the result's type; ``None`` means elementwise: the widest of the arguments.
        meaning: ``meaning(xp, *args)``. Elementwise rows get arrays that broadcast together. Other rows
            get each ``TREE`` argument as a tuple of arrays and scalars as 0-d arrays; they return a tuple
            of arrays (``TREE``), a tuple of 0-d arrays (``PER_ARRAY``) or a 0-d array (``SCALAR``).
        commutative: whether the first two arguments may be swapped.
        cost: time in the interpreter relative to an addition, on one CPU core with 2,410 weights
            (``scripts/bench_functions.py``).
        symbol: the infix operator, if there is one.
        about: one line for people.
        jax_code: of a user's own row, the code of an export, such as ``"jnp.tanh({0})"``.
        arity: how many arguments it takes (derived).
        needs_scalar: whether some argument must be narrower than a tree (derived).
    """

    name: str
    parameters: tuple[Type, ...]
    result: Type | None
    meaning: Callable[..., Any]
    commutative: bool = False
    cost: float = 1.0
    symbol: str | None = None
    about: str = ""
    jax_code: str | None = None
    arity: int = field(init=False)
    needs_scalar: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arity", len(self.parameters))
        object.__setattr__(self, "needs_scalar", any(p is not Type.TREE for p in self.parameters))

    @property
    def elementwise(self) -> bool:
        """Whether the function acts on each number alone."""
        return self.result is None


def _global_norm(xp: Any, x: tuple[Any, ...]) -> Any:
    return xp.sqrt(_dot(xp, x, x))


def _dot(xp: Any, x: tuple[Any, ...], y: tuple[Any, ...]) -> Any:
    total = xp.sum(x[0] * y[0])
    for a, b in zip(x[1:], y[1:], strict=True):
        total = total + xp.sum(a * b)
    return total


def _clip(xp: Any, x: tuple[Any, ...], limit: Any) -> tuple[Any, ...]:
    norm = _global_norm(xp, x)
    is_zero = norm == 0
    # At norm 0 every factor gives 0; 1 keeps 0 / 0 and 0 * inf out of the result.
    factor = xp.where(is_zero, 1, xp.minimum(1, limit / xp.where(is_zero, 1, norm)))
    return tuple(a * factor for a in x)


def _cosine_similarity(xp: Any, x: tuple[Any, ...], y: tuple[Any, ...]) -> Any:
    return _dot(xp, x, y) / (_global_norm(xp, x) * _global_norm(xp, y))


def _interp(xp: Any, x: Any, y: Any, a: Any) -> Any:
    return (1 - a) * x + a * y


def _row(name: str, meaning: Callable[..., Any], cost: float, about: str) -> Function:
    return Function(name, (Type.TREE,), None, meaning, cost=cost, about=about)


def _operator(
    name: str, symbol: str | None, meaning: Callable[..., Any], cost: float, about: str, *, commutative: bool
) -> Function:
    return Function(name, (Type.TREE, Type.TREE), None, meaning, commutative, cost, symbol, about)


_T, _P, _S = Type.TREE, Type.PER_ARRAY, Type.SCALAR

_ROWS = (
    _row("abs", lambda xp, x: xp.abs(x), 1, "|x|"),
    _row("cos", lambda xp, x: xp.cos(x), 25, "cosine"),
    _row("sin", lambda xp, x: xp.sin(x), 25, "sine"),
    _row("tan", lambda xp, x: xp.tan(x), 33, "tangent"),
    _row("arcsin", lambda xp, x: xp.arcsin(x), 115, "inverse sine; NaN for |x| > 1"),
    _row("arccos", lambda xp, x: xp.arccos(x), 130, "inverse cosine; NaN for |x| > 1"),
    _row("arctan", lambda xp, x: xp.arctan(x), 70, "inverse tangent"),
    _row("exp", lambda xp, x: xp.exp(x), 5, "e^x"),
    _row("log", lambda xp, x: xp.log(xp.abs(x)), 6, "log|x|"),
    _row("sinh", lambda xp, x: xp.sinh(x), 56, "hyperbolic sine"),
    _row("cosh", lambda xp, x: xp.cosh(x), 10, "hyperbolic cosine"),
    _row("tanh", lambda xp, x: xp.tanh(x), 12, "hyperbolic tangent"),
    _row("arcsinh", lambda xp, x: xp.arcsinh(x), 48, "inverse hyperbolic sine"),
    _row("arccosh", lambda xp, x: xp.arccosh(x), 53, "inverse hyperbolic cosine; NaN for x < 1"),
    _row("arctanh", lambda xp, x: xp.arctanh(x), 66, "inverse hyperbolic tangent; NaN for |x| > 1"),
    _row("sign", lambda xp, x: xp.sign(x), 1.5, "-1, 0 or 1"),
    _row("exp2", lambda xp, x: xp.exp2(x), 5, "2^x"),
    _row("exp10", lambda xp, x: xp.power(10.0, x), 53, "10^x"),
    _row("expm1", lambda xp, x: xp.expm1(x), 28, "e^x - 1"),
    _row("log10", lambda xp, x: xp.log10(xp.abs(x)), 6, "log10|x|"),
    _row("log2", lambda xp, x: xp.log2(xp.abs(x)), 6, "log2|x|"),
    _row("log1p", lambda xp, x: xp.log(xp.abs(1 + x)), 6, "log|1 + x|"),
    _row("square", lambda xp, x: x * x, 1, "x^2"),
    _row("sqrt", lambda xp, x: xp.sqrt(xp.abs(x)), 2.5, "square root of |x|"),
    _row("cube", lambda xp, x: x * x * x, 1, "x^3"),
    _row("cbrt", lambda xp, x: xp.cbrt(x), 55, "cube root"),
    _row("reciprocal", lambda xp, x: 1 / x, 2.5, "1 / x, unprotected"),
    _row("negative", lambda xp, x: -x, 1, "-x"),
    _operator("add", "+", lambda xp, x, y: x + y, 1, "x + y", commutative=True),
    _operator("subtract", "-", lambda xp, x, y: x - y, 1, "x - y", commutative=False),
    _operator("multiply", "*", lambda xp, x, y: x * y, 1, "x * y", commutative=True),
    _operator("divide", "/", lambda xp, x, y: x / (y + EPSILON), 2.5, "x / (y + 1e-8)", commutative=False),
    _operator("power", None, lambda xp, x, y: xp.power(x, y), 55, "x^y", commutative=False),
    _operator("maximum", None, lambda xp, x, y: xp.maximum(x, y), 1.5, "larger of both", commutative=True),
    _operator("minimum", None, lambda xp, x, y: xp.minimum(x, y), 1.5, "smaller of both", commutative=True),
    Function(
        "norm",
        (_T,),
        _P,
        lambda xp, x: tuple(xp.sqrt(xp.sum(a * a)) for a in x),
        cost=9,
        about="Euclidean norm of each array",
    ),
    Function("global_norm", (_T,), _S, _global_norm, cost=3, about="Euclidean norm of all numbers"),
    Function("dot", (_T, _T), _S, _dot, commutative=True, cost=3, about="inner product of both as vectors"),
    Function(
        "cosine_sim",
        (_T, _T),
        _S,
        _cosine_similarity,
        commutative=True,
        cost=9,
        about="cosine of both as vectors",
    ),
    Function("clip", (_T, _S), _T, _clip, cost=3, about="x * min(1, c / global_norm(x))"),
    Function("interp", (_T, _T, _S), None, _interp, cost=1, about="(1 - a) * x + a * y"),
    Function("get_pi", (), _S, lambda xp: math.pi, cost=0, about="3.14159..."),
    Function("get_e", (), _S, lambda xp: math.e, cost=0, about="2.71828..."),
    Function("get_eps", (), _S, lambda xp: EPSILON, cost=0, about="1e-8"),
)

_TABLE = {row.name: row for row in _ROWS}

FUNCTIONS: Mapping[str, Function] = MappingProxyType(_TABLE)
"""All functions by name, in the order of the table; a user's own rows come last."""

BUILT_IN = tuple(_TABLE)
"""The names of the language's own functions."""

FUNCTION_OF_SYMBOL: Mapping[str, str] = MappingProxyType(
    {row.symbol: row.name for row in _ROWS if row.symbol is not None}
)
"""The name behind each infix operator."""


def add_function(row: Function) -> None:
    """Adds a user's own row to the table of this process.

    Raises:
        ProgramError: the name is taken or no identifier, or the machine has no such shape of function.
    """
    known = _TABLE.get(row.name)
    if known is row:
        return
    if known is not None or not row.name.isidentifier() or keyword.iskeyword(row.name):
        raise ProgramError(f"'{row.name}' cannot name a function of your own: taken, or not an identifier")
    num_scalars = row.parameters.count(Type.SCALAR)
    if not 1 <= row.arity - num_scalars <= 2 or num_scalars > 1:
        raise ProgramError(f"function '{row.name}' must take one or two trees and at most one scalar")
    if row.symbol is not None:
        raise ProgramError(f"function '{row.name}': operators are the language's own")
    _TABLE[row.name] = row


def load_function(reference: str) -> Function:
    """Imports a user's own row, ``module:name``, and adds it to the table of this process.

    The module may lie in the working directory, which is looked at last.

    Raises:
        UserCodeError: there is no such module or name.
        ProgramError: it is no :class:`Function`, or it cannot be added.
    """
    row = import_name(reference, "function")
    if not isinstance(row, Function):
        raise ProgramError(f"'{reference}' is a {type(row).__name__}; expected a lion_search Function")
    add_function(row)
    return row

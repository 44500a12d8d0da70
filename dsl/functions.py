"""The functions of the language: one row each, and nothing about them anywhere else.

The table holds the 43 functions of Appendix H of Chen et al. (arXiv 2302.06675) and ``negative``. A
row's ``meaning`` is written once over an array namespace ``xp`` (``numpy`` or ``jax.numpy``), so that the
two meanings cannot drift apart; the tests hold each row against an independent float64 reference. Exports
take a row's ``code``, identities and proofs its ``properties``; :mod:`lion_search.dsl.function` says what a
row holds. Relations between functions, such as ``exp(x) * exp(y) = exp(x + y)``, are rows of the tables of
identities and of rules.

Protected semantics, from the authors' release: ``log``, ``log2``, ``log10`` and ``sqrt`` act on ``|x|``,
``log1p`` is ``log|1 + x|``, ``x / y`` is ``x / (y + 1e-8)``. ``reciprocal`` and ``cosine_sim`` are
unprotected.
"""

from __future__ import annotations

import ast
import keyword
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from lion_search.dsl import tex
from lion_search.dsl.codes import codes_of
from lion_search.dsl.errors import ProgramError
from lion_search.dsl.function import (
    CommonFactor,
    Function,
    Parity,
    Properties,
    Type,
    Words,
    ZeroIf,
)
from lion_search.dsl.imports import import_name

__all__ = [
    "BUILT_IN",
    "EPSILON",
    "FUNCTIONS",
    "FUNCTION_OF_SYMBOL",
    "CommonFactor",
    "Function",
    "Parity",
    "Properties",
    "Type",
    "Words",
    "ZeroIf",
    "add_function",
    "forget_function",
    "load_function",
    "own_functions",
    "own_references",
]

EPSILON = 1e-8
"""The protective constant of division, and what ``get_eps`` returns (authors' release)."""


# ---- Meanings that are more than an expression, and the same as code of an export.


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


# What an export's code calls; ``x`` and ``y`` are lists of arrays.

_DOT_HELPER = '''
def _dot(x, y):
    """Inner product of two lists of arrays as vectors."""
    return sum({xp}.sum(a * b) for a, b in zip(x, y))
'''
_GLOBAL_NORM_HELPER = '''
def _global_norm(x):
    """Euclidean norm of a list of arrays as one vector."""
    return {xp}.sqrt(_dot(x, x))
'''
_CLIP_HELPER = '''
def _clip(x, limit):
    """x * min(1, limit / global norm); the limit may be one for each array."""
    norm = _global_norm(x)

    def factor(c):
        return {xp}.where((norm <= c) | (norm == 0), 1, c / norm)

    if isinstance(limit, list):
        return [a * factor(c) for a, c in zip(x, limit)]
    of_all = factor(limit)
    return [a * of_all for a in x]
'''
_NORM_HELPERS = (_DOT_HELPER, _GLOBAL_NORM_HELPER)


# ---- The table.

_T, _P, _S = Type.TREE, Type.PER_ARRAY, Type.SCALAR
_ODD, _EVEN, _PRODUCT, _JOINT = Parity.ODD, Parity.EVEN, Parity.PRODUCT, Parity.JOINT
_FIRST, _ANY, _BOTH = ZeroIf.FIRST, ZeroIf.ANY, ZeroIf.BOTH
_EPSILON_NOTE = f"\\epsilon = {EPSILON:g}"


def _row(
    name: str, meaning: Callable[..., Any], cost: float, about: str, properties: Properties, **more: Any
) -> Function:
    """A function of each number; most are called alike in all array libraries."""
    more.setdefault("code", f"{{xp}}.{name}({{0}})")
    more["codes"] = codes_of(name)
    return Function(name, (_T,), None, meaning, cost=cost, about=about, properties=properties, **more)


def _pair(
    name: str, meaning: Callable[..., Any], cost: float, about: str, properties: Properties, **more: Any
) -> Function:
    """A function of each two numbers."""
    more.setdefault("code", f"{{xp}}.{name}({{0}}, {{1}})")
    more["codes"] = codes_of(name)
    return Function(name, (_T, _T), None, meaning, cost=cost, about=about, properties=properties, **more)


def _number(name: str, value: float, about: str, code: str, latex: str, note: str = "") -> Function:
    """A function without arguments."""
    properties = Properties(low=value, high=value, is_positive=True)
    return Function(
        name, (), _S, lambda xp: value, cost=0, about=about, code=code, codes=codes_of(name),
        latex=tex.atom(latex), latex_note=note, properties=properties,
    )  # fmt: skip


def _is(**known: Any) -> Properties:
    return Properties(**known)


def _odd(**known: Any) -> Properties:
    """Of a function with f(-x) = -f(x) and f(0) = 0 that keeps signs."""
    return Properties(**{"parity": _ODD, "keeps_sign": True, "zero_if": _FIRST, **known})


_ROWS = (
    _row("abs", lambda xp, x: xp.abs(x), 1, "|x|",
         _is(parity=_EVEN, low=0.0, zero_if=_FIRST, degrees=(1,)),
         latex=tex.between(r"\lvert", r"\rvert")),
    _row("cos", lambda xp, x: xp.cos(x), 25, "cosine",
         _is(parity=_EVEN, low=-1.0, high=1.0, undoes=("arccos",)), latex=tex.call(r"\cos")),
    _row("sin", lambda xp, x: xp.sin(x), 25, "sine",
         _odd(keeps_sign=False, low=-1.0, high=1.0, undoes=("arcsin",)), latex=tex.call(r"\sin")),
    _row("tan", lambda xp, x: xp.tan(x), 33, "tangent",
         _odd(keeps_sign=False, undoes=("arctan",)), latex=tex.call(r"\tan")),
    _row("arcsin", lambda xp, x: xp.arcsin(x), 115, "inverse sine; NaN for |x| > 1",
         _odd(low=-math.pi / 2, high=math.pi / 2), latex=tex.call(r"\arcsin")),
    _row("arccos", lambda xp, x: xp.arccos(x), 130, "inverse cosine; NaN for |x| > 1",
         _is(low=0.0, high=math.pi), latex=tex.call(r"\arccos")),
    _row("arctan", lambda xp, x: xp.arctan(x), 70, "inverse tangent",
         _odd(low=-math.pi / 2, high=math.pi / 2), latex=tex.call(r"\arctan")),
    _row("exp", lambda xp, x: xp.exp(x), 5, "e^x",
         _is(low=0.0, is_positive=True, undoes_up_to_sign=("log",)), latex=tex.raised("e")),
    _row("log", lambda xp, x: xp.log(xp.abs(x)), 6, "log|x|", _is(parity=_EVEN, undoes=("exp",)),
         code="{xp}.log({xp}.abs({0}))", latex=tex.log(r"\log")),
    _row("sinh", lambda xp, x: xp.sinh(x), 56, "hyperbolic sine",
         _odd(undoes=("arcsinh",)), latex=tex.call(r"\sinh")),
    _row("cosh", lambda xp, x: xp.cosh(x), 10, "hyperbolic cosine",
         _is(parity=_EVEN, low=1.0, is_positive=True, undoes=("arccosh",)), latex=tex.call(r"\cosh")),
    _row("tanh", lambda xp, x: xp.tanh(x), 12, "hyperbolic tangent",
         _odd(low=-1.0, high=1.0, undoes=("arctanh",)), latex=tex.call(r"\tanh")),
    _row("arcsinh", lambda xp, x: xp.arcsinh(x), 48, "inverse hyperbolic sine", _odd(undoes=("sinh",))),
    _row("arccosh", lambda xp, x: xp.arccosh(x), 53, "inverse hyperbolic cosine; NaN for x < 1",
         _is(low=0.0)),
    _row("arctanh", lambda xp, x: xp.arctanh(x), 66, "inverse hyperbolic tangent; NaN for |x| > 1",
         _odd(undoes=("tanh",))),
    _row("sign", lambda xp, x: xp.sign(x), 1.5, "-1, 0 or 1", _odd(low=-1.0, high=1.0, decides=True)),
    _row("exp2", lambda xp, x: xp.exp2(x), 5, "2^x",
         _is(low=0.0, is_positive=True, undoes_up_to_sign=("log2",)), latex=tex.raised("2")),
    _row("exp10", lambda xp, x: xp.power(10.0, x), 53, "10^x",
         _is(low=0.0, is_positive=True, undoes_up_to_sign=("log10",)),
         code="{xp}.power(10.0, {0})", latex=tex.raised("10")),
    _row("expm1", lambda xp, x: xp.expm1(x), 28, "e^x - 1",
         _is(keeps_sign=True, low=-1.0, zero_if=_FIRST), latex=tex.expm1),
    _row("log10", lambda xp, x: xp.log10(xp.abs(x)), 6, "log10|x|", _is(parity=_EVEN, undoes=("exp10",)),
         code="{xp}.log10({xp}.abs({0}))", latex=tex.log(r"\log_{10}")),
    _row("log2", lambda xp, x: xp.log2(xp.abs(x)), 6, "log2|x|", _is(parity=_EVEN, undoes=("exp2",)),
         code="{xp}.log2({xp}.abs({0}))", latex=tex.log(r"\log_2")),
    _row("log1p", lambda xp, x: xp.log(xp.abs(1 + x)), 6, "log|1 + x|",
         _is(zero_if=_FIRST, undoes=("expm1",)),
         code="{xp}.log({xp}.abs(1 + {0}))", latex=tex.log1p),
    _row("square", lambda xp, x: x * x, 1, "x^2",
         _is(parity=_EVEN, low=0.0, zero_if=_FIRST, undoes_up_to_sign=("sqrt",), degrees=(2,)),
         latex=tex.exponent("2"), words=Words(suffixes=("2", "_squared"))),
    _row("sqrt", lambda xp, x: xp.sqrt(xp.abs(x)), 2.5, "square root of |x|",
         _is(parity=_EVEN, low=0.0, zero_if=_FIRST, undoes_up_to_sign=("square",), degrees=(1 / 2,)),
         code="{xp}.sqrt({xp}.abs({0}))", latex=tex.root),
    _row("cube", lambda xp, x: x * x * x, 1, "x^3", _odd(undoes=("cbrt",), degrees=(3,)),
         code="{0} * {0} * {0}", latex=tex.exponent("3"), words=Words(suffixes=("3", "_cubed"))),
    _row("cbrt", lambda xp, x: xp.cbrt(x), 55, "cube root", _odd(undoes=("cube",), degrees=(1 / 3,)),
         latex=tex.cube_root),
    _row("reciprocal", lambda xp, x: 1 / x, 2.5, "1 / x, unprotected",
         _odd(zero_if=None, undoes=("reciprocal",), degrees=(-1,), divides=True),
         code="1 / {0}", latex=tex.reciprocal),
    _row("negative", lambda xp, x: -x, 1, "-x", _odd(keeps_sign=False, degrees=(1,)),
         code="-{0}", latex=tex.minus),
    _pair("add", lambda xp, x, y: x + y, 1, "x + y",
          _is(parity=_JOINT, keeps_nonnegative=True, zero_if=_BOTH, common_factor=CommonFactor.ANY),
          symbol="+", commutative=True, code="{0} + {1}", latex=tex.total, words=Words("total", "shifted")),
    _pair("subtract", lambda xp, x, y: x - y, 1, "x - y",
          _is(parity=_JOINT, zero_if=_BOTH, common_factor=CommonFactor.ANY),
          symbol="-", code="{0} - {1}", latex=tex.difference, words=Words("difference", "shifted")),
    _pair("multiply", lambda xp, x, y: x * y, 1, "x * y",
          _is(parity=_PRODUCT, keeps_nonnegative=True, zero_if=_ANY, degrees=(1, 1)),
          symbol="*", commutative=True, code="{0} * {1}", latex=tex.product,
          words=Words("product", "scaled")),
    _pair("divide", lambda xp, x, y: x / (y + EPSILON), 2.5, "x / (y + 1e-8)",
          _is(parity=_PRODUCT, keeps_nonnegative=True, zero_if=_FIRST, degrees=(1,), divides=True),
          symbol="/", code="{0} / ({1} + {eps})", latex=tex.quotient, latex_note=_EPSILON_NOTE,
          words=Words("ratio", "scaled")),
    _pair("power", lambda xp, x, y: xp.power(x, y), 55, "x^y", _is(keeps_nonnegative=True, zero_if=_FIRST),
          latex=tex.power, words=Words("raised")),
    _pair("maximum", lambda xp, x, y: xp.maximum(x, y), 1.5, "larger of both",
          _is(parity=_JOINT, keeps_nonnegative=True, zero_if=_BOTH, common_factor=CommonFactor.POSITIVE,
              decides=True),
          commutative=True, latex=tex.call(r"\max"), words=Words("larger")),
    _pair("minimum", lambda xp, x, y: xp.minimum(x, y), 1.5, "smaller of both",
          _is(parity=_JOINT, keeps_nonnegative=True, zero_if=_BOTH, common_factor=CommonFactor.POSITIVE,
              decides=True),
          commutative=True, latex=tex.call(r"\min"), words=Words("smaller")),
    Function("norm", (_T,), _P, lambda xp, x: tuple(xp.sqrt(xp.sum(a * a)) for a in x), cost=9,
             about="Euclidean norm of each array", code="{xp}.sqrt({xp}.sum({xp}.square({0})))",
             codes=codes_of("norm"), latex=tex.between(r"\lVert", r"\rVert_{\mathrm{array}}"),
             properties=_is(parity=_EVEN, low=0.0, zero_if=_FIRST, degrees=(1,))),
    Function("global_norm", (_T,), _S, _global_norm, cost=3, about="Euclidean norm of all numbers",
             code="_global_norm({0})", codes=codes_of("global_norm"), helpers=_NORM_HELPERS,
             latex=tex.between(r"\lVert", r"\rVert"),
             properties=_is(parity=_EVEN, low=0.0, zero_if=_FIRST, degrees=(1,))),
    Function("dot", (_T, _T), _S, _dot, cost=3, about="inner product of both as vectors", commutative=True,
             code="_dot({0}, {1})", codes=codes_of("dot"), helpers=(_DOT_HELPER,),
             latex=tex.between(r"\langle", r"\rangle"),
             properties=_is(parity=_PRODUCT, zero_if=_ANY, degrees=(1, 1))),
    Function("cosine_sim", (_T, _T), _S, _cosine_similarity, cost=9, about="cosine of both as vectors",
             commutative=True, code="_dot({0}, {1}) / (_global_norm({0}) * _global_norm({1}))",
             codes=codes_of("cosine_sim"),
             helpers=_NORM_HELPERS, words=Words("cosine"),
             properties=_is(parity=_PRODUCT, low=-1.0, high=1.0)),
    Function("clip", (_T, _S), _T, _clip, cost=3, about="x * min(1, c / global_norm(x))",
             code="_clip({0}, {1})", codes=codes_of("clip"), helpers=(*_NORM_HELPERS, _CLIP_HELPER),
             latex_note="clip(x, c) = x min(1, c / ||x||)", mixes_arrays=True,
             properties=_is(parity=_ODD, keeps_nonnegative=True, zero_if=_FIRST,
                           common_factor=CommonFactor.POSITIVE)),
    Function("interp", (_T, _T, _S), None, _interp, cost=1, about="(1 - a) * x + a * y",
             code="(1 - {2}) * {0} + {2} * {1}",
             codes=codes_of("interp"), latex=tex.average, words=Words("average"),
             properties=_is(parity=_JOINT, zero_if=_BOTH, common_factor=CommonFactor.ANY, averages=True)),
    _number("get_pi", math.pi, "3.14159...", "{xp}.pi", r"\pi"),
    _number("get_e", math.e, "2.71828...", "{xp}.e", "e"),
    _number("get_eps", EPSILON, "1e-8", "1e-8", r"\epsilon", _EPSILON_NOTE),
)  # fmt: skip

_TABLE = {row.name: row for row in _ROWS}

FUNCTIONS: Mapping[str, Function] = MappingProxyType(_TABLE)
"""All functions by name, in the order of the table; a user's own rows come last."""

_REFERENCES: dict[str, str] = {}
"""``module:name`` of the user's own rows that were loaded, by name."""

BUILT_IN = tuple(_TABLE)
"""The names of the language's own functions."""

FUNCTION_OF_SYMBOL: Mapping[str, str] = MappingProxyType(
    {row.symbol: row.name for row in _ROWS if row.symbol is not None}
)
"""The name behind each infix operator."""


def add_function(row: Function) -> None:
    """Adds a user's own row to the table of this process.

    Raises:
        ProgramError: the name is taken or no identifier, the machine has no such shape of function, or a
            helper is called as another.
    """
    known = _TABLE.get(row.name)
    if known is row:
        return
    if known is not None:
        owner = _REFERENCES.get(row.name, "the language")
        raise ProgramError(f"'{row.name}' cannot name a function of your own: taken by {owner}")
    if not str(row.name).isidentifier() or keyword.iskeyword(row.name):
        raise ProgramError(f"'{row.name}' cannot name a function of your own: it is no identifier of Python")
    if not all(isinstance(type_, Type) for type_ in row.parameters) or not callable(row.meaning):
        raise ProgramError(f"function '{row.name}': parameters are lion_search Types, meaning a function")
    num_trees, num_scalars = row.parameters.count(Type.TREE), row.parameters.count(Type.SCALAR)
    if not 1 <= num_trees <= 2 or num_scalars > 1 or num_trees + num_scalars < row.arity:
        raise ProgramError(f"function '{row.name}' must take one or two trees and at most one scalar")
    if row.symbol is not None:
        raise ProgramError(f"function '{row.name}': operators are the language's own")
    _check_helpers(row)
    _TABLE[row.name] = row


def _check_helpers(row: Function) -> None:
    """An exported file holds the helpers of all its functions, each name once."""
    others = {name: helper for known in FUNCTIONS.values() for name, helper in _helpers_of(known)}
    for name, helper in _helpers_of(row):
        if name in _EXPORT_NAMES or others.get(name, helper) != helper:
            raise ProgramError(f"function '{row.name}': the name of its helper {name} is taken; rename it")


_EXPORT_NAMES = (
    *("_step", "_foreach_step", "_like", "_fill", "_updates", "_number", "_numbers", "_check", "_dtype"),
    *("_wide", "_use_foreach", "_peak", "_decays", "_STATES"),
)
"""Names of exported files' own."""


def _helpers_of(row: Function) -> list[tuple[str, str]]:
    """Name and text of each helper."""
    try:
        return [
            (node.name, helper)
            for helper in row.helpers
            for node in ast.parse(helper.replace("{xp}", "xp")).body
            if isinstance(node, ast.FunctionDef)
        ]
    except SyntaxError as error:
        raise ProgramError(f"function '{row.name}': a helper is no Python: {error.msg}") from error


def own_functions() -> tuple[Function, ...]:
    """The user's own rows in the table of this process."""
    return tuple(row for name, row in FUNCTIONS.items() if name not in BUILT_IN)


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
    if _REFERENCES.get(row.name) == reference:
        del _TABLE[row.name]  # its module may have been edited and imported again
    add_function(row)
    _REFERENCES[row.name] = reference
    return row


def forget_function(name: str) -> None:
    """Takes a user's own row from the table of this process."""
    del _TABLE[name]
    _REFERENCES.pop(name, None)


def own_references() -> tuple[str, ...]:
    """``module:name`` of the user's own rows in the table of this process: what its workers must load."""
    return tuple(reference for name, reference in _REFERENCES.items() if name in _TABLE)

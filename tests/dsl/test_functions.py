"""Each row of the table against a reference of its own, written with Python's ``math`` in float64."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lion_search.dsl import functions
from lion_search.dsl.arrays import ArrayDomain
from lion_search.dsl.claims import POINT, values
from lion_search.dsl.errors import ProgramError
from lion_search.dsl.functions import (
    BUILT_IN,
    EPSILON,
    FUNCTION_OF_SYMBOL,
    FUNCTIONS,
    Function,
    Parity,
    Type,
    ZeroIf,
    add_function,
)

T, S = Type.TREE, Type.SCALAR
ELEMENTWISE = tuple(name for name in BUILT_IN if FUNCTIONS[name].elementwise)
ACROSS = ("norm", "global_norm", "dot", "cosine_sim", "clip")
CONSTANTS = ("get_pi", "get_e", "get_eps")

Reference = Callable[..., Any]


def _guarded(function: Callable[..., float], overflow: Callable[..., float] | None = None) -> Reference:
    """``function`` where it is defined, NaN where it is not, and ``overflow`` (infinity) beyond float64."""

    def reference(*args: float) -> float:
        try:
            return function(*args)
        except OverflowError:
            return overflow(*args) if overflow else math.inf
        except ValueError:
            return math.nan

    return reference


def _infinity_of_sign(x: float, *_: float) -> float:
    return math.copysign(math.inf, x)


def _log_of_size(log: Callable[[float], float], x: float) -> float:
    return -math.inf if x == 0 else log(math.fabs(x))


def _ratio(x: float, y: float) -> float:
    """x / y as IEEE 754 has it; Python raises at y = 0."""
    if y == 0:
        return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * math.copysign(1, y)
    return x / y


def _power(x: float, y: float) -> float:
    is_odd = y % 2 == 1 if math.isfinite(y) else False
    negative = math.copysign(1, x) < 0 and is_odd
    if x == 0 and y < 0:
        return -math.inf if negative else math.inf
    return _guarded(math.pow, lambda *_: -math.inf if negative else math.inf)(x, y)


def _extreme(choose: Callable[..., float]) -> Reference:
    return lambda x, y: math.nan if math.isnan(x) or math.isnan(y) else choose(x, y)


def _numbers(tree: Sequence[np.ndarray]) -> list[float]:
    return [float(x) for array in tree for x in np.ravel(array)]


def _global_norm(tree: Sequence[np.ndarray]) -> float:
    return math.hypot(*_numbers(tree))


def _dot(x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> float:
    return math.fsum(a * b for a, b in zip(_numbers(x), _numbers(y), strict=True))


def _clip(tree: Sequence[np.ndarray], limit: float) -> list[np.ndarray]:
    size = _global_norm(tree)
    return [a * (limit / size) if size > limit else a for a in tree]


REFERENCES: dict[str, Reference] = {
    "abs": math.fabs,
    "cos": _guarded(math.cos),
    "sin": _guarded(math.sin),
    "tan": _guarded(math.tan),
    "arcsin": _guarded(math.asin),
    "arccos": _guarded(math.acos),
    "arctan": math.atan,
    "exp": _guarded(math.exp),
    "log": lambda x: _log_of_size(math.log, x),
    "sinh": _guarded(math.sinh, _infinity_of_sign),
    "cosh": _guarded(math.cosh),
    "tanh": math.tanh,
    "arcsinh": math.asinh,
    "arccosh": _guarded(math.acosh),
    "arctanh": lambda x: _infinity_of_sign(x) if abs(x) == 1 else _guarded(math.atanh)(x),
    "sign": lambda x: x if math.isnan(x) else float((x > 0) - (x < 0)),
    "exp2": _guarded(lambda x: math.pow(2, x)),
    "exp10": _guarded(lambda x: math.pow(10, x)),
    "expm1": _guarded(math.expm1),
    "log10": lambda x: _log_of_size(math.log10, x),
    "log2": lambda x: _log_of_size(math.log2, x),
    "log1p": lambda x: _log_of_size(math.log, 1 + x),
    "square": _guarded(lambda x: math.pow(x, 2)),
    "sqrt": lambda x: math.sqrt(math.fabs(x)),
    "cube": _guarded(lambda x: math.pow(x, 3), _infinity_of_sign),
    "cbrt": math.cbrt,
    "reciprocal": lambda x: _ratio(1.0, x),
    "negative": lambda x: 0.0 - x,
    "add": lambda x, y: math.fsum((x, y)) if math.isfinite(x) and math.isfinite(y) else x + y,
    "subtract": lambda x, y: x + -y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: _ratio(x, y + 1e-8),
    "power": _power,
    "maximum": _extreme(max),
    "minimum": _extreme(min),
    "norm": lambda tree: [math.hypot(*_numbers([a])) for a in tree],
    "global_norm": _global_norm,
    "dot": _dot,
    "cosine_sim": lambda x, y: _dot(x, y) / (_global_norm(x) * _global_norm(y)),
    "clip": _clip,
    "interp": lambda x, y, a: x - a * x + a * y if math.isfinite(x) else (1 - a) * x + a * y,
    "get_pi": lambda: 4 * math.atan(1),
    "get_e": lambda: math.exp(1),
    "get_eps": lambda: 10**-8,
}

# Units in the last place a row may be off: in float64 (NumPy), float32 (NumPy) and float32 (JAX on a CPU,
# whose exp2, sinh and cosh go through exp and lose with the size of their argument).
DEFAULT_ULPS = (2, 2, 2)
ULPS: dict[str, tuple[float, float, float]] = {
    "exp2": (2, 2, 30),
    "sinh": (2, 2, 30),
    "cosh": (2, 2, 30),
    "tanh": (2, 2, 4),
    "expm1": (2, 3, 5),
    "interp": (2, 4, 4),
}
# Ulps are those of the result or, where terms cancel, of the largest term.
LARGEST_TERM: dict[str, Reference] = {
    "log1p": lambda x: 1.0,
    "interp": lambda x, y, a: max(abs(x), abs(a * x), abs(a * y)),
}

_SIZES = (
    0.0, 1e-30, 1e-8, 1e-3, 0.1, 0.5, 0.9, 1.0, 1.5, 2.0, 3.0, math.pi, 10.0, 40.0, 88.0, 1e4, 1e18, 1e30,
)  # fmt: skip
_SPECIAL = [float(np.float32(s * x)) for x in _SIZES for s in (1, -1)]
_RANDOM = [float(np.float32(x)) for x in np.random.default_rng(1).normal(size=60) * 2]
UNARY = [*_SPECIAL, *_RANDOM, math.inf, -math.inf, math.nan]
BINARY = [*itertools.product([*_SPECIAL, math.inf, -math.inf, math.nan], repeat=2)]
BINARY += list(zip(_RANDOM[::2], _RANDOM[1::2], strict=True))
TERNARY = [
    (x, y, float(np.float32(a)))
    for (x, y), a in itertools.product(
        [*itertools.product((0.0, 1e-8, -0.5, 3.0, -1e30, math.inf, math.nan), repeat=2)],
        (0.0, 0.1, 0.5, 0.999, 1.0, 1.1, -2.0),
    )
]
POINTS = {1: [(x,) for x in UNARY], 2: BINARY, 3: TERNARY}

PRECISIONS = {
    "numpy-float64": (np, np.float64),
    "numpy-float32": (np, np.float32),
    "jax-float32": (jnp, np.float32),
}
precisions = pytest.mark.parametrize("precision", PRECISIONS)


def _apply(name: str, xp: Any, *args: Any) -> Any:
    with np.errstate(all="ignore"):
        return FUNCTIONS[name].meaning(xp, *args)


def _errors_in_ulps(
    got: np.ndarray, expected: np.ndarray, largest_term: np.ndarray | float = 0.0
) -> np.ndarray:
    """Distances in ulps of ``got``'s type; infinite where only one of both is NaN or infinite.

    Anything below the smallest normal number may have been flushed to zero.
    """
    dtype = got.dtype.type
    tiny = float(np.finfo(dtype).tiny)
    with np.errstate(all="ignore"):
        rounded = expected.astype(dtype)
        size = np.fmax(np.abs(rounded), np.fmax(largest_term, tiny).astype(dtype))
        difference = np.abs(got.astype(float) - expected)
        errors = np.where(difference <= tiny, 0.0, difference / np.spacing(size).astype(float))
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(same, 0.0, np.where(np.isnan(errors), np.inf, errors))


def _check(
    name: str, precision: str, got: Any, points: Sequence[Any], expected: Any, term: Any = 0.0
) -> None:
    errors = _errors_in_ulps(np.asarray(got), np.asarray(expected), term)
    allowed = ULPS.get(name, DEFAULT_ULPS)[list(PRECISIONS).index(precision)]
    worst = int(np.argmax(errors))
    found = f"{name}{points[worst]} = {got[worst]!r}, expected {expected[worst]!r}"
    assert errors[worst] <= allowed, f"{found}: {errors[worst]:.1f} ulps, {allowed} allowed"


def _tree(xp: Any, dtype: Any, *arrays: Any) -> tuple[Any, ...]:
    return tuple(xp.asarray(a, dtype) for a in arrays)


def _trees(xp: Any, dtype: Any) -> list[tuple[Any, ...]]:
    """Trees of three arrays: mixed sizes, zeros and signs; one array of zeros; a tree of one number."""
    rng = np.random.default_rng(2)
    mixed = [np.float32(rng.normal(size=s) * z) for s, z in (((3, 4), 1.0), ((), 1e-6), ((5,), 1e6))]
    other = [np.float32(rng.normal(size=a.shape)) for a in mixed]
    with_zeros = [np.zeros((3, 4)), *other[1:]]
    return [_tree(xp, dtype, *arrays) for arrays in (mixed, other, with_zeros)]


def test_every_row_has_a_reference():
    """And every reference a row: 44 of them, in the order of the table."""
    assert tuple(REFERENCES) == BUILT_IN
    assert len(BUILT_IN) == 44
    assert {*ELEMENTWISE, *ACROSS, *CONSTANTS} == set(BUILT_IN)


@precisions
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_row_agrees_with_its_reference(name: str, precision: str):
    """On zeros, negatives, extremes, infinities and NaN, alone and combined; the precision is kept."""
    xp, dtype = PRECISIONS[precision]
    points = POINTS[FUNCTIONS[name].arity]
    if name == "divide":  # its pole at -1e-8 has a test of its own
        points = [p for p in points if p[1] != -np.float32(1e-8)]
    got = np.asarray(_apply(name, xp, *(xp.asarray(c, dtype) for c in zip(*points, strict=True))))
    assert got.dtype == dtype
    term = np.array([LARGEST_TERM[name](*p) for p in points]) if name in LARGEST_TERM else 0.0
    _check(name, precision, got, points, np.array([REFERENCES[name](*p) for p in points]), term)


def _cases_across(xp: Any, dtype: Any) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """Function, arguments, and the largest term of each sum."""
    x, y, z = trees = _trees(xp, dtype)
    for tree in trees:
        yield from (("global_norm", (tree,), 0.0), ("norm", (tree,), 0.0))
        for limit in (0.0, 1e-3, 0.5, 1.0, 1e7):  # within it a tree is unchanged, else it gets it as its norm
            yield "clip", (tree, xp.asarray(limit, dtype)), 0.0
    for a, b in ((x, y), (y, z), (x, x)):
        terms = [abs(p * q) for p, q in zip(_numbers(a), _numbers(b), strict=True)]
        yield "dot", (a, b), math.fsum(terms)
    for a, b in ((x, y), (y, z), (y, y), (y, tuple(-3 * a for a in y))):
        yield "cosine_sim", (a, b), 1.0


@precisions
def test_a_row_across_arrays_agrees_with_its_reference(precision: str):
    """Shapes and the precision are kept."""
    xp, dtype = PRECISIONS[precision]
    for name, args, term in _cases_across(xp, dtype):
        got = _apply(name, xp, *args)
        expected = REFERENCES[name](*args)
        leaves = got if isinstance(got, tuple) else (got,)
        assert all(leaf.dtype == dtype for leaf in leaves)
        if name == "clip":
            assert [leaf.shape for leaf in leaves] == [a.shape for a in args[0]]
            expected = _numbers(expected)
        flat = np.concatenate([np.ravel(leaf) for leaf in leaves])
        _check(name, precision, flat, [f"{args}"] * flat.size, np.atleast_1d(expected), term)


@precisions
def test_what_is_divided_by_a_norm_of_zero(precision: str):
    """``clip``'s factor would be 0 / 0, and is not; ``cosine_sim`` is unprotected."""
    xp, dtype = PRECISIONS[precision]
    zeros = _tree(xp, dtype, np.zeros((2, 2)), 0.0)
    for limit in (0.0, 1.0, math.inf):
        for array in _apply("clip", xp, zeros, xp.asarray(limit, dtype)):
            assert np.array_equal(array, np.zeros(array.shape))
    assert math.isnan(_apply("cosine_sim", xp, zeros, zeros))


PROTECTED = [
    ("log", (-math.e,), 1.0), ("log2", (-8.0,), 3.0), ("log10", (-1000.0,), 3.0), ("log", (0.0,), -math.inf),
    ("log1p", (-3.0,), math.log(2.0)), ("sqrt", (-9.0,), 3.0),
    ("divide", (0.0, 0.0), 0.0), ("divide", (1.0, 0.0), 1e8), ("divide", (-1.0, 0.0), -1e8),
    ("divide", (1.0, -1e-8), math.inf),
    ("reciprocal", (0.0,), math.inf), ("reciprocal", (-0.0,), -math.inf),
    ("power", (0.0, 0.0), 1.0), ("power", (-2.0, 3.0), -8.0), ("power", (-2.0, 0.5), math.nan),
]  # fmt: skip


@precisions
@pytest.mark.parametrize(("name", "args", "expected"), PROTECTED)
def test_protected_semantics(name: str, args: tuple[float, ...], expected: float, precision: str):
    """Logarithms and root act on sizes, division adds 1e-8, reciprocal and power are unprotected."""
    xp, dtype = PRECISIONS[precision]
    result = float(_apply(name, xp, *_tree(xp, dtype, *args)))
    assert result == pytest.approx(expected, rel=1e-6, nan_ok=True)


@precisions
@pytest.mark.parametrize("name", ["global_norm", "dot", "cosine_sim"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_bad_number_reaches_a_reduction(name: str, bad: float, precision: str):
    """NaN gives NaN; infinity gives infinity, and NaN where it is divided by itself."""
    xp, dtype = PRECISIONS[precision]
    tree = _tree(xp, dtype, [1.0, bad], 2.0)
    result = float(_apply(name, xp, *[tree] * FUNCTIONS[name].arity))
    assert math.isnan(result) if math.isnan(bad) or name == "cosine_sim" else result == math.inf


@precisions
def test_norm_is_of_each_array(precision: str):
    """A bad number in one array leaves the norms of the others alone."""
    xp, dtype = PRECISIONS[precision]
    norms = _apply("norm", xp, _tree(xp, dtype, [[3.0, 0.0], [0.0, -4.0]], -2.0, [math.nan], np.zeros(3)))
    assert [np.shape(n) for n in norms] == [()] * 4
    assert [float(n) for n in norms] == pytest.approx([5.0, 2.0, math.nan, 0.0], nan_ok=True)


@precisions
@pytest.mark.parametrize("name", CONSTANTS)
def test_constant_agrees_with_its_reference(name: str, precision: str):
    xp, dtype = PRECISIONS[precision]
    value = ArrayDomain(xp, (), dtype).apply(FUNCTIONS[name], [], 0)
    assert value.dtype == dtype
    assert float(value) == pytest.approx(REFERENCES[name](), rel=1e-7)


@pytest.mark.parametrize("name", [name for name in BUILT_IN if FUNCTIONS[name].arity >= 2])
def test_the_commutative_flag_is_true_exactly_if_swapping_changes_nothing(name: str):
    row = FUNCTIONS[name]
    if row.elementwise:
        columns = [np.array(c) for c in zip(*POINTS[row.arity], strict=True)]
        swapped = [columns[1], columns[0], *columns[2:]]
        same = np.array_equal(_apply(name, np, *columns), _apply(name, np, *swapped), equal_nan=True)
    elif name == "clip":
        same = False  # a tree and a scalar cannot change places
    else:
        x, y, _ = _trees(np, np.float64)
        same = bool(_apply(name, np, x, y) == _apply(name, np, y, x))
    assert row.commutative == same


def test_names_and_arities_are_the_papers():
    """28 unary, 7 binary, 6 of linear algebra, 3 constants (paper.md, section 1)."""
    unary = (
        "abs cos sin tan arcsin arccos arctan exp log sinh cosh tanh arcsinh arccosh arctanh sign exp2 exp10 "
        "expm1 log10 log2 log1p square sqrt cube cbrt reciprocal negative norm global_norm"
    )
    binary = "add subtract multiply divide power maximum minimum dot cosine_sim clip"
    arities = {**dict.fromkeys(unary.split(), 1), **dict.fromkeys(binary.split(), 2), "interp": 3}
    assert {name: FUNCTIONS[name].arity for name in BUILT_IN} == {**arities, **dict.fromkeys(CONSTANTS, 0)}
    assert all(row.name == name for name, row in FUNCTIONS.items())
    assert dict(FUNCTION_OF_SYMBOL) == {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
    assert EPSILON == 1e-8  # that of the release


def test_every_row_says_what_it_is_and_costs_something():
    """The cost of a constant alone is nothing: it is no pass over the weights."""
    for name in BUILT_IN:
        assert FUNCTIONS[name].about, name
        assert (FUNCTIONS[name].cost > 0) == (FUNCTIONS[name].arity > 0), name


SHAPES = ((2, 3), (), (4,))
TREE = (np.arange(6.0).reshape(2, 3) - 2.5, np.asarray(-1.5), np.linspace(0.1, 2.0, 4))
PER_ARRAY = (np.asarray(0.5), np.asarray(-2.0), np.asarray(3.0))
SCALAR = np.asarray(0.75)
SPREAD_PER_ARRAY = tuple(np.full(s, float(v)) for s, v in zip(SHAPES, PER_ARRAY, strict=True))
SPREAD_SCALAR = tuple(np.full(s, 0.75) for s in SHAPES)


@pytest.mark.parametrize("name", [n for n in BUILT_IN if Type.TREE in FUNCTIONS[n].parameters])
@pytest.mark.parametrize(("narrow", "spread"), [(SCALAR, SPREAD_SCALAR), (PER_ARRAY, SPREAD_PER_ARRAY)])
@pytest.mark.parametrize("position", [0, 1])
def test_a_narrow_value_stands_for_the_tree_it_is_spread_to(
    name: str, position: int, narrow: Any, spread: Any
):
    """Casting by broadcasting: a scalar or one number per array may stand where a tree is wanted."""
    row = FUNCTIONS[name]
    domain = ArrayDomain(np, SHAPES, np.float64)
    others = [TREE if wanted is Type.TREE else SCALAR for wanted in row.parameters]
    position = min(position, row.parameters.count(Type.TREE) - 1)
    narrow_args = [*others[:position], narrow, *others[position + 1 :]]
    spread_args = [*others[:position], spread, *others[position + 1 :]]
    with np.errstate(all="ignore"):
        got = domain.as_tree(domain.apply(row, narrow_args, 0))
        expected = domain.as_tree(domain.apply(row, spread_args, 0))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


# ---- a user's own rows


@pytest.fixture
def own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is added to the table is gone after the test."""
    monkeypatch.setattr(functions, "_TABLE", table := dict(functions._TABLE))
    monkeypatch.setattr(functions, "FUNCTIONS", table)


def _own(name: str, parameters: tuple[Type, ...] = (Type.TREE,), **more: Any) -> Function:
    return Function(name, parameters, None, lambda xp, *args: args[0], **more)


@pytest.mark.usefixtures("own_rows")
def test_a_users_row_comes_last_and_is_not_built_in():
    row = _own("softsign")
    add_function(row)
    assert list(functions.FUNCTIONS)[-1] == "softsign"
    assert functions.FUNCTIONS["softsign"] is row
    assert "softsign" not in BUILT_IN
    add_function(row)  # once more is no error


@pytest.mark.usefixtures("own_rows")
@pytest.mark.parametrize(
    ("name", "parameters", "symbol", "message"),
    [
        *(
            (n, (T,), None, "cannot name a function of your own")
            for n in ("sin", "taken", "a b", "", "lambda")
        ),
        *(
            ("mine", p, None, "one or two trees and at most one scalar")
            for p in ((), (S,), (T,) * 3, (T, S, S))
        ),
        ("mine", (T, T), "@", "operators are the language's own"),
    ],
)
def test_a_users_row_that_cannot_be_added_is_told_why(
    name: str, parameters: tuple[Type, ...], symbol: str | None, message: str
):
    add_function(_own("taken"))
    with pytest.raises(ProgramError, match=message):
        add_function(_own(name, parameters, symbol=symbol))


# ---- what the rows claim to know; that a claim is so is tried in test_trials.py


def _is(found: np.ndarray, expected: np.ndarray) -> bool:
    """Equal wherever both are finite and no protective epsilon shows; and that is somewhere."""
    both = np.isfinite(found) & np.isfinite(expected)
    return bool(both.any()) and np.allclose(found[both], expected[both], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    "row", [FUNCTIONS[n] for n in BUILT_IN if FUNCTIONS[n].parameters == (T,)], ids=lambda row: row.name
)
def test_what_is_so_of_signs_is_claimed(row: Function):
    """No row forgets that it is odd, even or never negative."""
    known, value, mirrored = row.properties, values(row, POINT), values(row, -POINT)
    assert (known.parity is Parity.ODD) == _is(mirrored, -value)
    assert (known.parity is Parity.EVEN) == (_is(mirrored, value) and _is(values(row, np.abs(POINT)), value))
    assert row.never_negative == bool((value[np.isfinite(value)] >= 0).all())
    assert (known.zero_if is ZeroIf.FIRST) == bool(values(row, np.zeros(1))[0] == 0)

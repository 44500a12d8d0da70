"""The rewrite rules and the facts they rest on: data, one line each.

A rule says that what has the form on its left equals what stands on its right, where its guard holds, and
how sure that is (:class:`Kind`). ``cos(0) = 1`` and the like are no rules: constants are folded. What is
written ``<->`` holds in both directions. The text's meaning is in :mod:`patterns`;
each row is held against its promise by a numeric test of its own.

Semantics to remember: ``log``, ``sqrt`` and their kin act on ``|x|``; ``x / y`` is ``x / (y + 1e-8)``;
``reciprocal`` is unprotected; ``clip`` scales by ``min(1, c / norm)``, also for a negative c.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lion_search.dsl.equivalence.value_graph import fold
from lion_search.dsl.families import families
from lion_search.dsl.functions import BUILT_IN, EPSILON, FUNCTIONS, Function, own_functions


class Kind(enum.StrEnum):
    """What a rule promises."""

    REAL_EXACT = "real-exact"
    """Equal over the reals, finite where the original is."""
    FINITE_EXACT = "exact where finite"
    """Equal where the original and all before it is finite; may be finite where the original is not."""
    EPS_EXACT = "eps-exact"
    """Uses that the protective 1e-8 is small: promised where every denominator is at least 1e-4."""
    FLOAT_EXACT = "float-exact"
    """Equal to the last bit."""


class Use(enum.StrEnum):
    """When a rule is run."""

    REDUCE = "reduce"
    """It makes things smaller or brings them in order: run until nothing changes."""
    EXPLORE = "explore"
    """It opens another form: run once a round."""
    FINISH = "finish"
    """It would not end: run once, after all others."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rewrite rule.

    Attributes:
        name: the stable name.
        kind: what it promises.
        left: the form it finds.
        right: what that equals.
        guard: conditions, joined by ``and``: comparisons of constants or bounds; ``scalar(x)``;
            ``positive(x)``; ``state(x)``.
        use: when it is run.
        drop: whether the form on the left is of no further use.
    """

    name: str
    kind: Kind
    left: str
    right: str
    guard: str = ""
    use: Use = Use.REDUCE
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of every value of some form, where it is finite.

    Attributes:
        of: the form.
        low: its lower bound, if any; an expression of constants, ``low(x)`` and ``high(x)``.
        high: its upper bound, if any.
        positive: whether it is greater than zero.
        guard: as in a rule.
    """

    of: str
    low: str = ""
    high: str = ""
    positive: bool = False
    guard: str = ""


_A, _B, _C, _D = Kind.REAL_EXACT, Kind.FINITE_EXACT, Kind.EPS_EXACT, Kind.FLOAT_EXACT


def _row(kind: Kind, name: str, text: str, guard: str = "") -> list[Rule]:
    """``left -> right`` drops the left, ``=>`` keeps it, ``~>`` explores, ``>>`` finishes, ``<->`` is two."""
    for arrow, use, drop in (
        (" -> ", Use.REDUCE, True),
        (" => ", Use.REDUCE, False),
        (" ~> ", Use.EXPLORE, False),
        (" >> ", Use.FINISH, False),
    ):
        if arrow in text:
            left, right = text.split(arrow)
            return [Rule(name, kind, left, right, guard, use, drop)]
    left, right = text.split(" <-> ")
    return [
        Rule(name, kind, left, right, guard, Use.EXPLORE),
        Rule(f"{name}-back", kind, right, left, guard, Use.EXPLORE),
    ]


def _flatten(rows: Iterable[list[Rule]]) -> tuple[Rule, ...]:
    return tuple(rule for row in rows for rule in row)


_ALGEBRA = (
    _row(_D, "add-swap", "x + y => y + x"),
    _row(_D, "multiply-swap", "x * y => y * x"),
    _row(_A, "add-regroup", "(x + y) + z ~> x + (y + z)"),
    _row(_A, "multiply-regroup", "(x * y) * z ~> x * (y * z)"),
    _row(_D, "negative-difference", "(x - y) * -1 => y - x"),
    _row(_A, "add-constants", "(x + c) + d -> x + (c + d)"),
    _row(_A, "multiply-constants", "(x * c) * d -> x * (c * d)"),
    _row(_A, "constant-out-of-sum", "(x + c) + y => (x + y) + c"),
    _row(_A, "constant-out-of-product", "(x * c) * y => (x * y) * c"),
    _row(_A, "constant-to-scalar", "(x * c) * a => x * (a * c)", "scalar(a)"),
    _row(_D, "add-zero", "x + 0 -> x"),
    _row(_D, "multiply-one", "x * 1 -> x"),
    _row(_B, "multiply-zero", "x * 0 -> 0"),
    _row(_D, "negative-as-product", "-x => x * -1"),
    _row(_D, "product-as-negative", "x * -1 => -x"),
    _row(_D, "subtract-as-sum", "x - y => x + y * -1"),
    _row(_D, "sum-as-subtract", "x + y * -1 => x - y"),
    _row(_A, "sum-as-scaled-subtract", "x + y * c => x - y * (0 - c)", "c < 0"),
    _row(_B, "subtract-itself", "x - x -> 0"),
    _row(_A, "subtract-added", "(x + y) - y => x"),
    _row(_A, "add-subtracted", "(x - y) + y => x"),
    _row(_D, "add-itself", "x + x => x * 2"),
    _row(_A, "add-multiple", "x * c + x => x * (c + 1)"),
    _row(_A, "add-multiples", "x * c + x * d => x * (c + d)"),
    _row(_A, "factor", "x * y + x * z => x * (y + z)"),
    _row(_A, "factor-one", "x * y + x => x * (y + 1)"),
    _row(_A, "distribute", "x * (y + z) ~> x * y + x * z"),
    _row(_A, "distribute-constant", "(x + c) * d ~> x * d + c * d"),
    _row(
        _A,
        "factor-ratio",
        "x * c + y * d >> (x + y * (d / c)) * c",
        "min(abs(c / d), abs(d / c)) > 1e-6",
    ),
    _row(_A, "factor-constant", "x * c + y * c => (x + y) * c"),
    _row(_A, "factor-multiple", "x * c + d => (x + d / c) * c", "abs(c) > 1e-6"),
)

_DIVISION = (
    _row(_A, "divide-constant", "x / c -> x * (1 / (c + 1e-8))", "abs(c + 1e-8) > 1e-12"),
    _row(_A, "divide-as-product", "x / y => x * (1 / y)"),
    _row(_A, "product-as-divide", "x * (1 / y) => x / y"),
    _row(_C, "divide-itself", "x * (1 / x) -> 1"),
    _row(_C, "divide-abs", "x * (1 / abs(x)) -> sign(x)"),
    _row(_C, "abs-divide", "abs(x) * (1 / x) -> sign(x)"),
    _row(_C, "abs-divide-abs", "abs(x) * (1 / abs(x)) -> 1"),
    _row(_C, "sign-divide", "sign(x) * (1 / x) -> 1 / abs(x)"),
    _row(_C, "sign-divide-abs", "sign(x) * (1 / abs(x)) -> 1 / x"),
    _row(_C, "divide-product", "x * (1 / (x * y)) -> 1 / y"),
    _row(_C, "divide-divided", "1 / (1 / x) -> x"),
    _row(_C, "divide-scaled", "1 / (x * c) => (1 / x) * (1 / c)", "abs(c) > 1e-6"),
    _row(_C, "divide-negative", "1 / (x * -1) -> (1 / x) * -1"),
    _row(_C, "divide-twice", "(1 / x) * (1 / y) => 1 / (x * y)"),
    _row(_C, "divide-by-quotient", "1 / (x * (1 / y)) => (1 / x) * y"),
    _row(_C, "divide-sqrt", "x * (1 / sqrt(x)) -> sign(x) * sqrt(x)"),
    _row(_C, "abs-divide-sqrt", "abs(x) * (1 / sqrt(x)) -> sqrt(x)"),
    _row(_C, "sqrt-divide", "sqrt(x) * (1 / x) => sign(x) * (1 / sqrt(x))"),
    _row(_C, "divide-square", "x * (1 / square(x)) -> 1 / x"),
    _row(_C, "square-divide", "square(x) * (1 / x) -> x"),
    _row(_C, "cube-divide", "cube(x) * (1 / x) -> square(x)"),
    _row(_C, "sign-of-divide", "sign(1 / x) -> sign(x)"),
    _row(_C, "abs-of-divide", "abs(1 / x) -> 1 / abs(x)"),
    _row(_C, "square-of-divide", "square(1 / x) => 1 / square(x)"),
    _row(_C, "sqrt-of-divide", "sqrt(1 / x) => 1 / sqrt(x)"),
    _row(_C, "divide-exp", "1 / exp(x) => exp(x * -1)"),
    _row(_C, "times-reciprocal", "x * reciprocal(y) => x / y"),
    _row(_C, "reciprocal-as-divide", "reciprocal(x) => 1 / x"),
    _row(_C, "multiply-reciprocal-eps", "x * (y * (1 / x)) -> y"),
    _row(_C, "add-epsilon", "x / (y + c) => x / y", f"abs(c) <= {2 * EPSILON}"),
    _row(_B, "reciprocal-itself", "x * reciprocal(x) -> 1"),
    _row(_B, "reciprocal-abs", "x * reciprocal(abs(x)) -> sign(x)"),
    _row(_B, "abs-reciprocal", "abs(x) * reciprocal(x) -> sign(x)"),
    _row(_B, "reciprocal-reciprocal", "reciprocal(reciprocal(x)) -> x"),
    _row(_A, "reciprocal-scaled", "reciprocal(x * c) => reciprocal(x) * (1 / c)", "abs(c) > 1e-30"),
    _row(_A, "reciprocal-product", "reciprocal(x) * reciprocal(y) => reciprocal(x * y)"),
    _row(_D, "reciprocal-abs-out", "reciprocal(abs(x)) => abs(reciprocal(x))"),
    _row(_A, "reciprocal-exp", "reciprocal(exp(x)) => exp(x * -1)"),
)

_POWERS = (
    _row(_D, "square-as-product", "x * x => square(x)"),
    _row(_D, "product-as-square", "square(x) ~> x * x"),
    _row(_A, "square-times", "square(x) * x => cube(x)"),
    _row(_A, "cube-as-product", "cube(x) ~> square(x) * x"),
    _row(_A, "square-scaled", "square(x * c) => square(x) * (c * c)"),
    _row(_A, "square-product", "square(x * y) <-> square(x) * square(y)"),
    _row(_A, "cube-scaled", "cube(x * c) => cube(x) * (c * c * c)"),
    _row(_D, "square-abs", "square(abs(x)) -> square(x)"),
    _row(_A, "sqrt-square", "sqrt(square(x)) -> abs(x)"),
    _row(_A, "square-sqrt", "square(sqrt(x)) -> abs(x)"),
    _row(_A, "sqrt-scaled", "sqrt(x * c) => sqrt(x) * (abs(c) ** 0.5)"),
    _row(_A, "scaled-sqrt", "sqrt(x) * c ~> sqrt(x * (c * c))", "c > 0"),
    _row(_A, "sqrt-product", "sqrt(x * y) <-> sqrt(x) * sqrt(y)"),
    _row(_A, "cbrt-scaled", "cbrt(x * c) => cbrt(x) * (c ** 0.3333333333333333)", "c > 0"),
    _row(_A, "cbrt-product", "cbrt(x) * cbrt(y) => cbrt(x * y)"),
    _row(_D, "power-zero", "power(x, 0) -> 1"),
    _row(_D, "power-one", "power(x, 1) -> x"),
    _row(_A, "power-two", "power(x, 2) -> square(x)"),
    _row(_A, "power-three", "power(x, 3) -> cube(x)"),
    _row(_B, "power-half", "power(x, 0.5) -> sqrt(x)"),
    _row(_A, "power-minus-one", "power(x, -1) -> reciprocal(x)"),
    _row(_D, "power-of-one", "power(1, x) -> 1"),
)

_SIGNS = (
    _row(_D, "abs-scaled", "abs(x * c) => abs(x) * abs(c)"),
    _row(_D, "abs-product", "abs(x * y) <-> abs(x) * abs(y)"),
    _row(_D, "abs-of-nonnegative", "abs(x) -> x", "low(x) >= 0"),
    _row(_D, "abs-of-nonpositive", "abs(x) -> x * -1", "high(x) <= 0"),
    _row(_D, "abs-times-sign", "abs(x) * sign(x) -> x"),
    _row(_D, "times-sign", "x * sign(x) -> abs(x)"),
    _row(_D, "times-abs-sign", "x * abs(sign(x)) -> x"),
    _row(_D, "abs-as-maximum", "maximum(x, x * -1) -> abs(x)"),
    _row(_D, "negative-abs-as-minimum", "minimum(x, x * -1) -> abs(x) * -1"),
    _row(_D, "sign-of-positive", "sign(x) => 1", "positive(x)"),
    _row(_D, "sign-negative", "sign(x * -1) => sign(x) * -1"),
    _row(_A, "sign-scaled-up", "sign(x * c) => sign(x)", "c > 0"),
    _row(_A, "sign-scaled-down", "sign(x * c) => sign(x) * -1", "c < 0"),
    _row(_A, "sign-times-positive", "sign(x * y) => sign(x)", "positive(y)"),
    _row(_A, "sign-product", "sign(x * y) <-> sign(x) * sign(y)"),
    _row(_A, "sign-product-times", "sign(x * y) * y => sign(x) * abs(y)"),
    _row(_D, "sign-sign", "sign(sign(x)) => sign(x)"),
    _row(_D, "square-sign", "square(sign(x)) => abs(sign(x))"),
    _row(_D, "sqrt-sign", "sqrt(sign(x)) -> abs(sign(x))"),
    _row(_D, "sign-abs", "sign(abs(x)) => abs(sign(x))"),
    _row(_A, "sign-square", "sign(square(x)) => abs(sign(x))"),
    _row(_D, "sign-sqrt", "sign(sqrt(x)) => abs(sign(x))"),
    _row(_D, "sign-clip", "sign(clip(x, a)) => sign(x)", "positive(a)"),
    _row(_A, "sign-quotient", "sign(x / y) => sign(x)", "low(y) >= 0"),
    _row(_B, "reciprocal-of-sign", "reciprocal(sign(x)) -> sign(x)"),
)


def _of_families(rows: Iterable[Function]) -> tuple[list[Rule], ...]:
    """What follows from the properties of some functions, but for a few that have rows of their own."""
    known = families(rows)
    keeps_sign = [f for f in known.keeps_sign if f != "sign"]
    odd = [f for f in known.odd if f not in ("sign", "reciprocal")]
    at_one = {f: value for f in odd if (value := fold(f, (1.0,))) is not None}
    even = [f for f in known.even if f not in ("abs", "square")]
    blind_to_abs = [f for f in known.blind_to_abs if f != "square"]
    left_inverses = [(f, g) for f, g in known.left_inverses if f != "reciprocal"]
    up_to_sign = [pair for pair in known.inverses_up_to_sign if "sqrt" not in pair]
    return (
        *(_row(_B, f"sign-{f}", f"sign({f}(x)) => sign(x)") for f in keeps_sign),
        *(_row(_B, f"abs-{f}-times-sign", f"abs({f}(x)) * sign(x) => {f}(x)") for f in keeps_sign),
        *(_row(_B, f"{f}-times-sign", f"{f}(x) * sign(x) => abs({f}(x))") for f in keeps_sign),
        *(_row(_A, f"{f}-of-sign", f"{f}(sign(x)) => sign(x) * {c!r}") for f, c in at_one.items()),
        *(_row(_D, f"{f}-odd", f"{f}(x * -1) -> {f}(x) * -1") for f in odd),
        *(_row(_D, f"{f}-even", f"{f}(x * -1) -> {f}(x)") for f in even),
        *(_row(_D, f"{f}-of-difference", f"{f}(x - y) => {f}(y - x)") for f in known.even),
        *(_row(_D, f"{f}-abs", f"{f}(abs(x)) -> {f}(x)") for f in blind_to_abs),
        *(_row(_B, f"{f}-{g}", f"{f}({g}(x)) -> x") for f, g in left_inverses),
        *(_row(_B, f"{f}-{g}", f"{f}({g}(x)) -> abs(x)") for f, g in up_to_sign),
    )


_INTERP = (
    _row(_A, "interp-interp", "interp(x, interp(x, y, a), b) -> interp(x, y, a * b)"),
    _row(
        _A,
        "interp-interp-first",
        "interp(interp(x, y, c), y, d) -> interp(y, x, (1 - c) * (1 - d))",
        "min(abs(c), abs(d)) > 1e-6",
    ),
    _row(_A, "interp-swap", "interp(x, y, c) => interp(y, x, 1 - c)", "min(abs(c), abs(1 - c)) > 1e-6"),
    _row(_A, "interp-swap-value", "interp(x, y, 1 - a) => interp(y, x, a)"),
    _row(_D, "interp-zero", "interp(x, y, 0) -> x"),
    _row(_D, "interp-one", "interp(x, y, 1) -> y"),
    _row(_A, "interp-itself", "interp(x, x, a) -> x"),
    _row(_A, "interp-from-zero", "interp(0, y, a) -> y * a"),
    _row(_A, "interp-expand", "interp(x, y, c) ~> x * (1 - c) + y * c", "min(abs(c), abs(1 - c)) > 1e-6"),
    _row(
        _A,
        "sum-as-interp",
        "x * c + y * d => interp(x, y, d)",
        "abs(c + d - 1) <= 2e-7 * min(1, min(abs(c), abs(d))) and min(abs(c), abs(d)) > 1e-6",
    ),
    _row(
        _A,
        "sum-as-scaled-interp",
        "x * c + y * d >> interp(x, y, d / (c + d)) * (c + d)",
        "c * d > 0 and min(c / d, d / c) > 1e-6 and state(x)",
    ),
    _row(
        _A,
        "scaled-sum-as-interp",
        "x * c + y >> interp(x, y, 1 / (c + 1)) * (c + 1)",
        "c > 1e-6 and c < 1e6 and state(x)",
    ),
    _row(
        _A,
        "added-as-interp",
        "x + y * d >> interp(x, y, d / (1 + d)) * (1 + d)",
        "d > 1e-6 and d < 1e6 and state(x)",
    ),
    _row(_A, "sum-as-interp-value", "x * (1 - a) + y * a => interp(x, y, a)", "scalar(a)"),
    _row(_A, "step-as-interp", "x + (y - x) * a => interp(x, y, a)", "scalar(a)"),
    _row(_A, "interp-scaled", "interp(x * c, y * c, a) => interp(x, y, a) * c"),
    _row(_A, "interp-scaled-value", "interp(x * z, y * z, a) => interp(x, y, a) * z"),
    _row(_A, "interp-shifted", "interp(x + z, y + z, a) => interp(x, y, a) + z"),
)

_EXPONENTIALS = (
    _row(_A, "exp-exp", "exp(x) * exp(y) => exp(x + y)"),
    _row(_A, "exp-sum", "exp(x + y) ~> exp(x) * exp(y)"),
    _row(_A, "log-product", "log(x * y) <-> log(x) + log(y)"),
    _row(_A, "log-square", "log(square(x)) -> log(x) * 2"),
    _row(_A, "log-sqrt", "log(sqrt(x)) -> log(x) * 0.5"),
    _row(_A, "log2-as-log", f"log2(x) ~> log(x) * {1 / math.log(2)!r}"),
    _row(_A, "log10-as-log", f"log10(x) ~> log(x) * {1 / math.log(10)!r}"),
    _row(_A, "exp2-as-exp", f"exp2(x) ~> exp(x * {math.log(2)!r})"),
    _row(_A, "exp10-as-exp", f"exp10(x) ~> exp(x * {math.log(10)!r})"),
    _row(_A, "log-as-log2", "log(x) * c => log2(x)", f"abs(c - {1 / math.log(2)!r}) < 1e-7"),
    _row(_A, "log-as-log10", "log(x) * c => log10(x)", f"abs(c - {1 / math.log(10)!r}) < 1e-7"),
    # Only towards what is precise near 0: a 1 that cancels would swallow small terms.
    _row(_A, "log-as-log1p", "log(x + 1) => log1p(x)"),
    _row(_A, "exp-as-expm1", "exp(x) + -1 => expm1(x)"),
    _row(_A, "sine-and-cosine", "square(sin(x)) + square(cos(x)) -> 1"),
    _row(_B, "cosh-and-sinh", "square(cosh(x)) - square(sinh(x)) -> 1"),
    _row(_A, "tangent-times-cosine", "tan(x) * cos(x) -> sin(x)"),
    _row(_B, "tanh-times-cosh", "tanh(x) * cosh(x) -> sinh(x)"),
)

_EXTREMES = tuple(
    row
    for f, other, wider in (("maximum", "minimum", ">="), ("minimum", "maximum", "<="))
    for row in (
        _row(_D, f"{f}-swap", f"{f}(x, y) => {f}(y, x)"),
        _row(_D, f"{f}-regroup", f"{f}({f}(x, y), z) ~> {f}(x, {f}(y, z))"),
        _row(_D, f"{f}-itself", f"{f}(x, x) -> x"),
        _row(_D, f"{f}-again", f"{f}(x, {f}(x, y)) -> {f}(x, y)"),
        _row(_B, f"{f}-absorbs", f"{f}(x, {other}(x, y)) -> x"),
        _row(_D, f"{f}-negative", f"{f}(x * -1, y * -1) => {other}(x, y) * -1"),
        _row(_D, f"{f}-scaled", f"{f}(x * c, y * c) => {f}(x, y) * c", "c > 0"),
        _row(_D, f"{f}-shifted", f"{f}(x + z, y + z) => {f}(x, y) + z"),
        _row(
            _B,
            f"{f}-decided",
            f"{f}(x, y) -> x",
            "low(x) >= high(y)" if wider == ">=" else "high(x) <= low(y)",
        ),
    )
)

_BOTH_EXTREMES = (
    _row(_B, "maximum-plus-minimum", "maximum(x, y) + minimum(x, y) -> x + y"),
    _row(_B, "maximum-times-minimum", "maximum(x, y) * minimum(x, y) -> x * y"),
)

_NORMS = (
    _row(_A, "norm-scaled", "norm(x * c) => norm(x) * abs(c)"),
    _row(_A, "global-norm-scaled", "global_norm(x * c) => global_norm(x) * abs(c)"),
    _row(_A, "norm-times-scalar", "norm(x * a) => norm(x) * abs(a)", "scalar(a)"),
    _row(_A, "global-norm-times-scalar", "global_norm(x * a) => global_norm(x) * abs(a)", "scalar(a)"),
    _row(_D, "dot-swap", "dot(x, y) => dot(y, x)"),
    _row(_A, "dot-scaled", "dot(x * c, y) => dot(x, y) * c"),
    _row(_A, "dot-times-scalar", "dot(x * a, y) => dot(x, y) * a", "scalar(a)"),
    _row(_A, "dot-itself", "dot(x, x) => square(global_norm(x))"),
    _row(_A, "dots", "dot(x, y) + dot(x, z) => dot(x, y + z)"),
    _row(_D, "cosine-swap", "cosine_sim(x, y) => cosine_sim(y, x)"),
    _row(_B, "cosine-itself", "cosine_sim(x, x) -> 1"),
    _row(_A, "cosine-scaled", "cosine_sim(x * c, y) => cosine_sim(x, y)", "c > 0"),
    _row(_D, "cosine-negative", "cosine_sim(x * -1, y) => cosine_sim(x, y) * -1"),
    _row(_D, "clip-negative", "clip(x * -1, a) => clip(x, a) * -1"),
    _row(_A, "clip-scaled", "clip(x * c, d) => clip(x, d / c) * c", "c > 1e-6"),
    _row(_A, "clip-clip", "clip(clip(x, c), d) -> clip(x, min(c, d))", "c >= 0 and d >= 0"),
    _row(_A, "clip-again", "clip(clip(x, a), a) -> clip(x, a)", "low(a) >= 0"),
    _row(_A, "global-norm-clip", "global_norm(clip(x, a)) => minimum(global_norm(x), a)", "low(a) >= 0"),
)

_BUILT_IN = tuple(FUNCTIONS[name] for name in BUILT_IN)

RULES: tuple[Rule, ...] = _flatten(
    (
        *_ALGEBRA, *_DIVISION, *_POWERS, *_SIGNS, *_of_families(_BUILT_IN), *_INTERP, *_EXPONENTIALS,
        *_EXTREMES, *_BOTH_EXTREMES, *_NORMS,
    )
)  # fmt: skip
"""All rules of the language's own functions."""


def _facts_of(row: Function) -> Iterator[Fact]:
    """What a function's properties say of its values."""
    known = row.properties
    form = f"{row.name}({', '.join('xyz'[: row.arity])})"
    low, high = (repr(b) if math.isfinite(b) else "" for b in (known.low, known.high))
    if row.arity and (low or high):
        yield Fact(form, low, high, known.is_positive)
    # Not of a reciprocal: of 0 it is infinite.
    if row.arity == 1 and known.keeps_sign and known.zero_if is not None:
        yield Fact(form, low="0", guard="low(x) >= 0")
        yield Fact(form, high="0", guard="high(x) <= 0")
        yield Fact(form, positive=True, guard="positive(x)")


FACTS: tuple[Fact, ...] = (
    Fact("c", low="c", high="c"),
    Fact("c", positive=True, guard="c > 0"),
    *(fact for row in _BUILT_IN for fact in _facts_of(row)),
    Fact("x + y", low="low(x) + low(y)"),
    Fact("x + y", high="high(x) + high(y)"),
    Fact("x + y", positive=True, guard="positive(x) and low(y) >= 0"),
    Fact("x * c", low="low(x) * c", guard="c > 0"),
    Fact("x * c", high="high(x) * c", guard="c > 0"),
    Fact("x * c", low="high(x) * c", guard="c < 0"),
    Fact("x * c", high="low(x) * c", guard="c < 0"),
    Fact("x * y", low="0", guard="low(x) >= 0 and low(y) >= 0"),
    Fact("x * y", positive=True, guard="positive(x) and positive(y)"),
    Fact("1 / x", low="0", positive=True, guard="low(x) >= 0"),
    Fact("x / y", low="0", guard="low(x) >= 0 and low(y) >= 0"),
    Fact("x / y", positive=True, guard="positive(x) and low(y) >= 0"),
    Fact("reciprocal(x)", low="0", positive=True, guard="positive(x)"),
    Fact("clip(x, a)", low="0", guard="low(x) >= 0 and low(a) >= 0"),
    Fact("clip(x, a)", low="low(x)", guard="low(a) >= 0 and low(x) <= 0"),
    Fact("clip(x, a)", high="high(x)", guard="low(a) >= 0 and high(x) >= 0"),
    Fact("maximum(x, y)", low="low(x)"),
    Fact("maximum(x, y)", high="max(high(x), high(y))"),
    Fact("maximum(x, y)", positive=True, guard="positive(x)"),
    Fact("minimum(x, y)", high="high(x)"),
    Fact("minimum(x, y)", low="min(low(x), low(y))"),
    Fact("minimum(x, y)", positive=True, guard="positive(x) and positive(y)"),
    Fact("interp(x, y, a)", low="min(low(x), low(y))", guard="low(a) >= 0 and high(a) <= 1"),
    Fact("interp(x, y, a)", high="max(high(x), high(y))", guard="low(a) >= 0 and high(a) <= 1"),
)
"""All facts; that the learning rate's schedule lies in [0, 1] is known of the input."""


def known_rules() -> tuple[Rule, ...]:
    """Those of all functions that this process knows, a user's own included."""
    return (*RULES, *_flatten(_of_families(own_functions())))


def known_facts() -> tuple[Fact, ...]:
    """Those of all functions that this process knows, a user's own included."""
    return (*FACTS, *(fact for row in own_functions() for fact in _facts_of(row)))

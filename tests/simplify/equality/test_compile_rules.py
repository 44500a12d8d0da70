"""Rules and facts as egglog text: what guards and constants of a rule mean once it is compiled."""

from __future__ import annotations

import re

import pytest
from programs import train

from lion_search.dsl.program import Program
from lion_search.simplify.equality.egraph import Classes, Engine, RewriteLimits
from lion_search.simplify.equality.patterns import compute, holds, parse_expression, parse_guard
from lion_search.simplify.equality.rewriting import egraph
from lion_search.simplify.equality.rules import FACTS, Kind, Rule

RULES = (
    Rule("positive-constant", Kind.REAL_EXACT, "sin(x * c)", "cos(x)", "c > 0"),
    Rule("two-constants", Kind.REAL_EXACT, "sinh(x * c) + d", "cosh(x)", "abs(c + d - 1) <= 0 and d < c"),
    Rule("scalar", Kind.REAL_EXACT, "arctan(x * a)", "tanh(x)", "scalar(a)"),
    Rule("positive", Kind.REAL_EXACT, "sqrt(x)", "exp(x)", "positive(x)"),
    Rule("bounded", Kind.REAL_EXACT, "cbrt(x)", "log(x)", "low(x) >= 1"),
    Rule("state", Kind.REAL_EXACT, "exp2(x)", "exp10(x)", "state(x)"),
    Rule("a-constant-made", Kind.REAL_EXACT, "log2(x * c)", "log10(x) * (c * c)"),
    Rule("a-number", Kind.REAL_EXACT, "arcsinh(x * 0.5)", "expm1(x)"),
    Rule("the-same-twice", Kind.REAL_EXACT, "maximum(x, x)", "square(x)"),
    Rule("dropping", Kind.FLOAT_EXACT, "cos(abs(x))", "cos(x)", drop=True),
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(RULES, FACTS)


def saturated(engine: Engine, *expressions: str) -> Classes:
    """The classes of some expressions, which are the roots."""
    body = "; ".join(f"y{i} = {expression}" for i, expression in enumerate(expressions))
    program = train(f"m: {body}; update = y0")
    program = Program(("m",), program.statements, tuple(f"y{i}" for i in range(len(expressions))))
    return egraph(program, tuple(Kind), RewriteLimits(rounds=4), engine)


@pytest.mark.parametrize(
    ("name", "matching", "other"),
    [
        ("positive-constant", "sin(g * 0.3)", "sin(g * -0.3)"),
        ("positive-constant", "sin(g * 1e-8)", "sin(g * lr)"),
        ("two-constants", "sinh(g * 0.75) + 0.25", "sinh(g * 0.25) + 0.75"),
        ("two-constants", "sinh(g * 3.0) + -2.0", "sinh(g * 3.0) + -1.0"),
        ("scalar", "arctan(g * global_norm(w))", "arctan(g * norm(w))"),
        ("scalar", "arctan(g * lr)", "arctan(g * m)"),
        ("positive", "sqrt(exp(g))", "sqrt(abs(g))"),
        ("positive", "sqrt(2.0 + square(g))", "sqrt(square(g) + -2.0)"),
        ("bounded", "cbrt(cosh(g))", "cbrt(exp(g))"),
        ("bounded", "cbrt(abs(g) + 1.0)", "cbrt(abs(g) + 0.99)"),
        ("state", "exp2(m)", "exp2(g)"),
        ("a-number", "arcsinh(g * 0.5)", "arcsinh(g * 0.50001)"),
        ("the-same-twice", "maximum(sin(g), sin(g))", "maximum(sin(g), sin(w))"),
    ],
)
def test_a_rule_matches_where_its_guard_holds_and_nowhere_else(
    engine: Engine, name: str, matching: str, other: str
) -> None:
    assert name in saturated(engine, matching).fired
    assert name not in saturated(engine, other).fired


def test_a_constant_is_computed(engine: Engine) -> None:
    classes = saturated(engine, "log2(g * 3.0)", "log10(g) * 9.0")
    assert classes.roots[0] == classes.roots[1]


@pytest.mark.parametrize("constant", ["1e20", "1e-20"])
def test_no_constant_is_made_that_float32_does_not_hold(engine: Engine, constant: str) -> None:
    assert "a-constant-made" not in saturated(engine, f"log2(g * {constant})").fired


def test_constants_that_agree_in_42_bits_are_one(engine: Engine) -> None:
    """Also on two sides of an edge of rounding; float32's neighbours are two."""
    near, next_ = 0.1 * (1 + 2.0**-45), 0.1 * (1 + 2.0**-23)
    classes = saturated(engine, "cosh(g * 0.1)", f"cosh(g * {near!r})", f"cosh(g * {next_!r})")
    first, same, different = classes.roots
    assert first == same != different
    for exponent in range(-20, 20):  # every edge between numbers of 42 bits is somewhere
        value = 2.0**exponent * (1 - 2.0**-44)
        one, other, _ = saturated(engine, f"cosh(g * {value!r})", f"cosh(g * {2.0**exponent!r})", "g").roots
        assert one == other


def test_what_is_dropped_is_kept_as_a_last_resort(engine: Engine) -> None:
    classes = saturated(engine, "cos(abs(g))", "cos(g)")
    assert classes.roots[0] == classes.roots[1]
    assert sorted(t.dropped for t in classes.terms[classes.roots[0]]) == [False, True]


def test_nothing_is_dropped_for_itself() -> None:
    """Where abs(x) is found to be x first, cos(abs(x)) and cos(x) are one term, which must stay."""
    extra = Rule("abs", Kind.REAL_EXACT, "abs(x)", "x", "low(x) >= 0")
    classes = saturated(Engine((*RULES, extra), FACTS), "cos(abs(square(g)))")
    assert any(t.function == "cos" and not t.dropped for t in classes.terms[classes.roots[0]])


@pytest.mark.parametrize(
    ("text", "constants", "value"),
    [
        ("c * (1 - d)", {"c": 4.0, "d": 0.25}, 3.0),
        ("abs(c) ** 0.5", {"c": -9.0}, 3.0),
        ("-c", {"c": 2.0}, -2.0),
        ("min(c, max(d, 1))", {"c": 3.0, "d": 0.5}, 1.0),
        ("2.5", {}, 2.5),
    ],
)
def test_expressions_of_constants_are_plain_arithmetic(
    text: str, constants: dict[str, float], value: float
) -> None:
    assert compute(parse_expression(text), constants) == value


def test_a_division_by_zero_meets_no_guard() -> None:
    for guard in ("1 / c > 0", "1 / c <= 0"):
        assert not holds(parse_guard(guard)[0], {"c": 0.0})


@pytest.mark.parametrize("text", ["[x]", "c == 1", "0 < c < 1", "x if c else y"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"not an expression of rules: {re.escape(text)}"):
        parse_guard(text)

"""Each rewrite rule alone: it fires on the form on its left, and honours what its kind promises.

Both sides are computed in float64, with the language's own meaning, on random trees and scalars with exact
zeros and extreme sizes. Where they are compared, and how closely, is the promise of the rule's kind; sums
that cancel and the like are left out by shaking every intermediate result. The same check must catch rules
that are wrong, and each rule of the table once its right side is a little off.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from replay import SHAKE, SHAPES
from watched_walk import WatchedDomain, shaken

from lion_search.dsl.functions import FUNCTIONS, Type
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.patterns import (
    CONSTANTS,
    Expression,
    compute,
    holds,
    is_constant,
    is_decidable,
    parse_expression,
    parse_guard,
    variables,
)
from lion_search.simplify.equality.rewriting import egraph
from lion_search.simplify.equality.rules import FACTS, RULES, Fact, Kind, Rule

NUM_SAMPLES = 40
TOLERANCE = {Kind.REAL_EXACT: 1e-5, Kind.FINITE_EXACT: 1e-5, Kind.EPS_EXACT: 1e-3}
ROUNDING = 1e-16
"""What 1 + x loses of x."""


def _value(expression: Expression, env: Mapping[str, Any], domain: WatchedDomain) -> Any:
    """What an expression is worth, by the language's own meaning."""
    if is_constant(expression):
        return np.asarray(compute(expression, env))
    if isinstance(expression, str):
        return env[expression]
    assert isinstance(expression, tuple)
    name, *parts = expression
    return domain.apply(FUNCTIONS[str(name)], [_value(part, env, domain) for part in parts], 0)


def _watched(expression: Expression, env: Mapping[str, Any]) -> tuple[WatchedDomain, np.ndarray]:
    """What happened on the way to a value, and the value as one vector."""
    domain = WatchedDomain(SHAPES)
    return domain, domain.flat(_value(expression, env, domain))


def _tree(rng: np.random.Generator, size: float) -> tuple[np.ndarray, ...]:
    leaves = []
    for shape in SHAPES:
        leaf = rng.normal(size=shape) * 10.0 ** rng.uniform(-size, size, shape)
        leaves.append(np.where(rng.random(shape) < 0.15, 0.0, leaf))
    return tuple(leaves)


def _is_scalar(rule_text: str, name: str) -> bool:
    """Whether the form needs a scalar in a variable's place."""

    def found(expression: Expression) -> bool:
        if not isinstance(expression, tuple) or is_constant(expression):
            return False
        row = FUNCTIONS[str(expression[0])]
        places = zip(expression[1:], row.parameters, strict=True)
        inside = any(name in variables(p) for p, widest in places if widest is not Type.TREE)
        return inside or any(map(found, expression[1:]))

    return found(parse_expression(rule_text))


def _constants(names: Sequence[str], guard: str, rng: random.Random) -> dict[str, float] | None:
    """Constants that meet a guard, if some are found."""
    numbers = [float(n) for n in re.findall(r"\d+\.\d+(?:e-?\d+)?", guard)]
    pool = [1.0, 0.5, 0.9, 0.999, 1.109, 2.0, 3.0, -1.0, -0.3, -7.0, 0.0, 1e-17, 1e-8, 1e-3, 40.0, *numbers]
    conditions = [c for c in parse_guard(guard) if is_decidable(c)]
    for _ in range(200):
        env: dict[str, float] = {}
        for name in names:
            env[name] = rng.choice([*pool, *(1 - v for v in env.values())])
        if all(holds(c, env) for c in conditions):
            return env
    return None


def _within_bounds(env: dict[str, Any], guard: str) -> None:
    """Changes values so that they meet what a guard says of bounds and signs."""
    for condition in parse_guard(guard):
        assert isinstance(condition, tuple)
        match condition:
            case ("positive", name):
                env[name] = _map(lambda x: np.abs(x) + 1e-3, env[name])
            case (">=", ("low", name), 0.0) | (">", ("low", name), 0.0):
                env[name] = _map(np.abs, env[name])
            case ("<=", ("low", name), 0.0):
                env[name] = env[name] if isinstance(env[name], tuple) else -np.abs(env[name])
            case (">=", ("high", name), 0.0):
                env[name] = env[name] if isinstance(env[name], tuple) else np.abs(env[name])
            case ("<=", ("high", name), 0.0):
                env[name] = _map(lambda x: -np.abs(x), env[name])
            case ("<=", ("high", name), 1.0):
                env[name] = _map(lambda x: np.minimum(x, 1.0), env[name])
            case (">=", ("low", x), ("high", y)) | ("<=", ("high", y), ("low", x)):
                env[x], env[y] = _map(np.abs, env[x]), _map(lambda v: -np.abs(v), env[y])
            case _:
                assert is_decidable(condition) or condition[0] in ("scalar", "state")


def _map(function: Any, value: Any) -> Any:
    return tuple(map(function, value)) if isinstance(value, tuple) else function(value)


def sample(texts: Sequence[str], guard: str, seed: int, size: float) -> dict[str, Any] | None:
    """Values for the variables of a rule."""
    rng, np_rng = random.Random(seed), np.random.default_rng(seed)
    names = sorted(set().union(*(variables(parse_expression(t)) for t in texts if t)))
    env: dict[str, Any] | None = dict(_constants([n for n in names if n in CONSTANTS], guard, rng) or {})
    if len(env or {}) < sum(n in CONSTANTS for n in names):
        return None
    assert env is not None
    for name in (n for n in names if n not in CONSTANTS):
        scalar = f"scalar({name})" in guard or any(_is_scalar(t, name) for t in texts if t)
        if scalar or rng.random() < 0.1:
            env[name] = np.asarray(rng.choice([0.0, 0.1, 0.7, 1.0, 1.3, -0.4, 5.0]))
        else:
            env[name] = _tree(np_rng, size)
    _within_bounds(env, guard)
    return env


def disagreement(rule: Rule) -> str:
    """Empty if both sides agree as the rule's kind promises; also what never could be compared is said."""
    compared = 0
    for seed in range(NUM_SAMPLES):
        env = sample([rule.left, rule.right], rule.guard, seed, (0.0, 1.0, 4.0, 30.0)[seed % 4])
        if env is None:
            continue
        with np.errstate(all="ignore"):
            wrong, counted = _compare(rule, env)
        compared += counted
        if wrong:
            return f"{rule.name}: {wrong}"
    return "" if compared else f"{rule.name} is nowhere comparable"


def _compare(rule: Rule, env: Mapping[str, Any]) -> tuple[str, int]:
    left, right = parse_expression(rule.left), parse_expression(rule.right)
    (one, x), (other, y) = _watched(left, env), _watched(right, env)
    if rule.kind is Kind.FLOAT_EXACT:
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        return (f"{x[~same][0]!r} became {y[~same][0]!r}" if not same.all() else ""), len(x)
    where = ~one.not_finite & ~one.underflow & ~other.underflow & _steady(left, env, x)
    if rule.kind is Kind.EPS_EXACT:
        where &= ~one.small & ~other.small
    wrong = where & ~(np.abs(x - y) <= TOLERANCE[rule.kind] * np.abs(x) + ROUNDING)
    if rule.kind is Kind.REAL_EXACT:  # also from right to left
        back = where & ~other.not_finite & _steady(right, env, y)
        wrong |= back & ~(np.abs(x - y) <= TOLERANCE[rule.kind] * np.abs(y) + ROUNDING)
    return (f"{x[wrong][0]!r} became {y[wrong][0]!r}" if wrong.any() else ""), int(where.sum())


def _steady(expression: Expression, env: Mapping[str, Any], value: np.ndarray) -> np.ndarray:
    """Where small changes of intermediate results change little."""
    steady = np.ones(len(value), bool)
    for seed in range(5):
        domain = WatchedDomain(SHAPES, shaken(SHAKE, seed))
        moved = np.abs(domain.flat(_value(expression, env, domain)) - value)
        steady &= moved <= 1e-3 * np.abs(value)
    return steady


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_keeps_its_promise(rule: Rule) -> None:
    assert disagreement(rule) == ""


@pytest.mark.parametrize("rule", [r for r in RULES if r.right != "0"], ids=lambda rule: rule.name)
def test_no_rule_is_right_by_chance(rule: Rule) -> None:
    """A right side that is a hundredth off is caught: what is compared is enough to see it."""
    assert "became" in disagreement(replace(rule, right=f"({rule.right}) * 1.01"))


def _program_of(rule: Rule) -> Program:
    """A program whose update is the rule's left side, and whose state is the right side."""
    guard = rule.guard
    texts, env = (rule.left, rule.right), sample([rule.left, rule.right], rule.guard, 3, 0.0)
    assert env is not None
    body: list[Statement] = []

    def emit(expression: Expression) -> Argument:
        if is_constant(expression):
            return compute(expression, env)
        if isinstance(expression, str):
            scalar = f"scalar({expression})" in guard or any(_is_scalar(t, expression) for t in texts)
            value = "lr" if scalar else {"x": "m", "y": "g", "z": "w"}[expression]
            if any(text.format(expression) in guard for text in _FOR_POSITIVE):
                return emit_call("exp", (value,))
            if any(text.format(expression) in guard for text in _FOR_NEGATIVE):
                return emit_call("multiply", (emit_call("exp", (value,)), -1.0))
            return value
        assert isinstance(expression, tuple)
        return emit_call(str(expression[0]), tuple(map(emit, expression[1:])))

    def emit_call(function: str, args: tuple[Argument, ...]) -> Argument:
        body.append(Statement(f"t{len(body)}", function, args))
        return body[-1].target

    outputs = tuple(emit(parse_expression(text)) for text in texts)
    return Program(("m",), tuple(body), outputs)


_FOR_POSITIVE = ("positive({})", "low({}) >=", "<= low({})")
_FOR_NEGATIVE = ("high({}) <=", ">= high({})")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_fires(rule: Rule) -> None:
    classes = egraph(_program_of(rule), (rule.kind,), RewriteLimits(rounds=2))
    assert rule.name in classes.fired
    assert classes.roots[0] == classes.roots[1]


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)


def _violation(fact: Fact) -> str:
    """Empty if a fact holds wherever the value is finite."""
    compared = 0
    for seed in range(NUM_SAMPLES):
        env = sample([fact.of], fact.guard, seed, (0.0, 1.0, 4.0, 30.0)[seed % 4])
        if env is None:
            continue
        with np.errstate(all="ignore"):
            walk, value = _watched(parse_expression(fact.of), env)
        bounds = {
            side: _bound(parse_expression(text), env)
            for side, text in (("low", fact.low), ("high", fact.high))
            if text
        }
        fine = ~walk.not_finite
        slack = 1e-9 * np.abs(value) + 1e-12
        wrong = np.zeros(len(value), bool)
        if "low" in bounds:
            wrong |= value < bounds["low"] - slack
        if "high" in bounds:
            wrong |= value > bounds["high"] + slack
        if fact.positive:
            wrong |= (value < 0) | ((value == 0) & (np.abs(walk.flat(_first(fact, env))) < 30))
        compared += int(fine.sum())
        if (wrong & fine).any():
            return f"{fact}: {value[wrong & fine][0]} outside {bounds}"
    return "" if compared else f"{fact} is nowhere comparable"


def _first(fact: Fact, env: Mapping[str, Any]) -> Any:
    """A value that the fact is about: a positive result may underflow where it is large."""
    return (
        np.asarray(env[min(variables(parse_expression(fact.of)))])
        if fact.of == "c"
        else env[min(variables(parse_expression(fact.of)))]
    )


def _bound(expression: Expression, env: Mapping[str, Any]) -> float:
    if not isinstance(expression, tuple):
        return compute(expression, env)
    name, *parts = expression
    if name in ("low", "high"):
        leaves = WatchedDomain(SHAPES).flat(env[str(parts[0])])
        return float(leaves.min() if name == "low" else leaves.max())
    bounds = {f"c{i}": _bound(part, env) for i, part in enumerate(parts)}
    return compute((name, *bounds), bounds)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact.of} {fact.low} {fact.high} {fact.guard}")
def test_a_fact_holds(fact: Fact) -> None:
    assert _violation(fact) == ""


_A, _B, _C, _D = Kind.REAL_EXACT, Kind.FINITE_EXACT, Kind.EPS_EXACT, Kind.FLOAT_EXACT
WRONG = [
    Rule("log-of-exp-of-log", _A, "exp(log(x))", "x"),  # |x|
    Rule("sqrt-is-no-inverse", _B, "sqrt(square(x))", "x"),
    Rule("interp-adds-weights", _A, "interp(x, interp(x, y, a), b)", "interp(x, y, a + b)"),
    Rule("interp-keeps-order", _A, "interp(x, y, c)", "interp(y, x, c)"),
    Rule("sign-of-scaled", _A, "sign(x * c)", "sign(x)"),  # needs c > 0
    Rule("clip-keeps-sign", _D, "sign(clip(x, a))", "sign(x)"),  # needs a > 0
    Rule("divide-is-exact", _A, "x * (1 / abs(x))", "sign(x)"),  # only where x is large
    Rule("divide-negative-is-exact", _A, "1 / (x * -1)", "(1 / x) * -1"),
    Rule("reciprocal-is-total", _D, "x * reciprocal(abs(x))", "sign(x)"),  # NaN at 0
    Rule("arcsin-of-sin", _B, "arcsin(sin(x))", "x"),
    Rule("regrouping-is-exact", _D, "(x * y) * z", "x * (y * z)"),
    Rule("epsilon-forgotten", _C, "1 / (1 / x)", "abs(x)"),
    Rule("norm-of-any-product", _A, "norm(x * y)", "norm(x) * norm(y)"),
    Rule("not-finite", _B, "cosh(x)", "cosh(x) * (reciprocal(x) * x)"),  # not finite at 0
]


@pytest.mark.parametrize("rule", WRONG, ids=lambda rule: rule.name)
def test_a_wrong_rule_is_caught(rule: Rule) -> None:
    """The check of this file can fail, even for what is almost right."""
    assert "became" in disagreement(rule)

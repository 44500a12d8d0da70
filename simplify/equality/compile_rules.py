"""Rules and facts as egglog text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from lion_search.dsl.functions import FUNCTIONS, Function
from lion_search.simplify.equality.patterns import (
    CONSTANTS,
    Expression,
    is_constant,
    parse_expression,
    parse_guard,
)
from lion_search.simplify.equality.rules import Fact, Kind, Rule, Use

PREFIX = "f_"
"""What a function's constructor is called is this and its name: egglog's own names are taken."""

NUMBER = "Number"
"""The constructor of constants."""

LARGEST, SMALLEST = 3e38, 1e-30
"""Constants beyond these are not made: float32 does not hold them."""

_SPLITTER = 2.0**11 + 1  # Veltkamp's: leaves 53 - 11 bits
_AGREE = 2.0**-42
_SHIFTS = (1.0, 1 + 2.0**-43)
_FLUSH = 64.0
_ARITHMETIC = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "^", "abs": "abs",
    "negative": "neg", "min": "min", "max": "max",
}  # fmt: skip


def _near(shift: float, index: int) -> str:
    """Makes constants that agree in 42 bits one class: those that are rounded to the same 42 bits.

    Two neighbours may be rounded apart, one up and one down. So this is done twice, the second time with
    all constants shifted by half a step; no pair is rounded apart both times.
    """
    big = f"(* c {_SPLITTER * shift!r})"
    rounded = f"(- {big} (- {big} (* c {shift!r})))"
    return f"(rule ((= e ({NUMBER} c))) ((union e (Near {index} {rounded}))) :ruleset facts)"


_HEADER = f"""
(datatype Value ({NUMBER} f64) (Input String) (Near i64 f64))
(function root (i64) Value :merge new)
(function value (Value) f64 :merge (min old new))
(function width (Value) i64 :merge (min old new))
(function low (Value) f64 :merge (max old new))
(function high (Value) f64 :merge (min old new))
(relation positive (Value))
(relation state (Value))
(ruleset facts)
(rule ((= e ({NUMBER} c))) ((set (value e) c) (set (width e) 0)) :ruleset facts)
(rule ((= e (Input "lr"))) ((set (width e) 0) (set (low e) 0.0) (set (high e) 1.0)) :ruleset facts)
(rule ((= c (value e))) ((union e ({NUMBER} c))) :ruleset facts)
{_near(_SHIFTS[0], 0)}
{_near(_SHIFTS[1], 1)}
(rule ((= a (low e)) (= a (high e)) (< (abs a) {LARGEST!r})) ((union e ({NUMBER} a))) :ruleset facts)
"""


def number(value: float) -> str:
    """The term of a constant."""
    return f"({NUMBER} {float(value)!r})"


def constructor(function: str) -> str:
    """The constructor of a function of the language."""
    return PREFIX + function


def declarations(rules: Sequence[Rule], facts: Sequence[Fact]) -> str:
    """All that is declared once: constructors, rule sets, rules."""
    lines = [_HEADER]
    lines += [f"(constructor {constructor(f.name)} ({'Value ' * f.arity}) Value)" for f in FUNCTIONS.values()]
    lines += [_width_rule(f) for f in FUNCTIONS.values()]
    lines += [f"(ruleset {use}_{kind.name})" for use in Use for kind in Kind]
    lines += [_Compiler().fact(fact) for fact in facts]
    lines += [_Compiler().rule(rule) for rule in rules]
    return "\n".join(lines)


def _width_rule(function: Function) -> str:
    """How wide a result is: the function's own type, or as wide as its widest argument."""
    args = [f"x{i}" for i in range(function.arity)]
    facts = [f"(= e ({' '.join([constructor(function.name), *args])}))"]
    if function.result is not None:
        width = str(int(function.result))
    else:
        widths = [f"w{i}" for i in range(function.arity)]
        facts += [f"(= {w} (width {a}))" for w, a in zip(widths, args, strict=True)]
        width = reduce(lambda x, y: f"(max {x} {y})", widths, "0")
    return f"(rule ({' '.join(facts)}) ((set (width e) {width})) :ruleset facts)"


class _Compiler:
    """One rule: the conditions found so far, and fresh names."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self._distinct: list[str] = []  # f(abs(x)) must not be dropped for f(x) where abs(x) is x
        self._names = (f"t{i}" for i in range(1000))

    def rule(self, rule: Rule) -> str:
        left = parse_expression(rule.left)
        assert isinstance(left, tuple), f"{rule.name}: its left side is no application"
        args = [self._match(arg) for arg in left[1:]]
        found = f"({' '.join([constructor(str(left[0])), *args])})"
        self._conditions.insert(0, f"(= e {found})")
        self._guard(rule.guard)
        actions = [f"(union e {self._build(parse_expression(rule.right))})"]
        if rule.drop:
            self._conditions += self._distinct
            actions.append(f"(subsume {found})")
        return self._text(actions, f'{rule.use}_{rule.kind.name} :name "{rule.name}"')

    def fact(self, fact: Fact) -> str:
        root = self._match(parse_expression(fact.of))
        self._guard(fact.guard)
        actions = [f"(positive {root})"] if fact.positive else []
        for name, bound in (("low", fact.low), ("high", fact.high)):
            if bound:
                actions.append(
                    f"(set ({name} {root}) {self._bounded(parse_expression(bound), may_be_zero=True)})"
                )
        return self._text(actions, "facts")

    def _text(self, actions: Sequence[str], ruleset: str) -> str:
        return f"(rule ({' '.join(self._conditions)}) ({' '.join(actions)}) :ruleset {ruleset})"

    def _match(self, pattern: Expression) -> str:
        """The name of a value that has the pattern's form."""
        if isinstance(pattern, str) and pattern not in CONSTANTS:
            return pattern
        name = next(self._names)
        if isinstance(pattern, tuple):
            args = [self._match(arg) for arg in pattern[1:]]
            self._conditions.append(f"(= {name} ({' '.join([constructor(str(pattern[0])), *args])}))")
            self._distinct += [f"(!= {name} {arg})" for arg in args]
        else:
            constant = pattern if isinstance(pattern, str) else next(self._names)
            self._conditions.append(f"(= {constant} (value {name}))")
            if isinstance(pattern, float):
                self._conditions.append(f"(<= (abs (- {constant} {pattern!r})) {abs(pattern) * _AGREE!r})")
        return name

    def _guard(self, text: str) -> None:
        for condition in parse_guard(text):
            assert isinstance(condition, tuple)
            operator, *args = condition
            if operator == "scalar":
                self._conditions.append(f"(= 0 (width {args[0]}))")
            elif operator in ("positive", "state"):
                self._conditions.append(f"({operator} {args[0]})")
            else:
                left, right = map(self._arithmetic, args)
                self._conditions.append(f"({operator} {left} {right})")

    def _build(self, expression: Expression) -> str:
        """The term on a rule's right side."""
        if isinstance(expression, float):
            return number(expression)
        if is_constant(expression):
            if isinstance(expression, str):
                return f"({NUMBER} {expression})"
            return f"({NUMBER} {self._bounded(expression)})"
        if isinstance(expression, str):
            return expression
        return f"({' '.join([constructor(str(expression[0])), *map(self._build, expression[1:])])})"

    def _bounded(self, expression: Expression, *, may_be_zero: bool = False) -> str:
        """The name of a number that is known to be a float32 and, if a product, not to have vanished."""
        name = next(self._names)
        self._conditions.append(f"(= {name} {self._arithmetic(expression)})")
        self._conditions.append(f"(< (abs {name}) {LARGEST!r})")
        is_product = isinstance(expression, tuple) and expression[0] in ("multiply", "divide", "power")
        if is_product and not may_be_zero:
            self._conditions.append(f"(> (abs {name}) {SMALLEST!r})")  # else repeated squaring ends in 0
        return name

    def _arithmetic(self, expression: Expression) -> str:
        """Arithmetic on numbers: constants, and bounds of values."""
        if isinstance(expression, float):
            return repr(expression)
        if isinstance(expression, str):
            return expression
        function, *args = expression
        if function in ("low", "high"):
            name = next(self._names)
            self._conditions.append(f"(= {name} ({function} {args[0]}))")
            return name
        first, *rest = map(self._arithmetic, args)
        result = f"({' '.join([_ARITHMETIC[str(function)], first, *rest])})"
        # What is left of a difference by rounding is nothing.
        return (
            f"(- (+ {result} (* {_FLUSH} {first})) (* {_FLUSH} {first}))"
            if function in ("add", "subtract")
            else result
        )

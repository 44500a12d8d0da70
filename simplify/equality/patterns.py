"""The text of rewrite rules as expressions.

A rule is written in the language's own infix form: ``interp(x, interp(x, y, a), b)``. The letters ``c``
and ``d`` stand for constants, any other name for any value. An expression of constants alone is arithmetic
(there ``/`` is plain division and ``**`` a power); everywhere else ``/`` is the language's protected one.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

from lion_search.dsl.functions import FUNCTION_OF_SYMBOL

Expression: TypeAlias = "str | float | tuple[Expression, ...]"
"""A variable, a number, or a function's name and its arguments."""

CONSTANTS = frozenset("cd")
"""The variables that match constants only."""

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: FUNCTION_OF_SYMBOL["+"],
    ast.Sub: FUNCTION_OF_SYMBOL["-"],
    ast.Mult: FUNCTION_OF_SYMBOL["*"],
    ast.Div: FUNCTION_OF_SYMBOL["/"],
    ast.Pow: "power",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=",
}  # fmt: skip
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
    "power": operator.pow, "abs": abs, "negative": operator.neg, "min": min, "max": max,
}  # fmt: skip


@cache
def parse_expression(text: str) -> Expression:
    """The expression of a rule's side."""
    return _convert(ast.parse(text, mode="eval").body)


@cache
def parse_guard(text: str) -> tuple[Expression, ...]:
    """The conditions of a guard, ``"c > 0 and scalar(x)"``; each is a comparison or an application."""
    if not text:
        return ()
    tree = ast.parse(text, mode="eval").body
    parts = tree.values if isinstance(tree, ast.BoolOp) else [tree]
    return tuple(_convert(part) for part in parts)


def _convert(tree: ast.expr) -> Expression:  # noqa: PLR0911 -- one return for each form
    match tree:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
            return -float(value)  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return ("negative", _convert(operand))
        case ast.BinOp(left=left, op=op, right=right):
            return (_OPERATORS[type(op)], _convert(left), _convert(right))
        case ast.Call(func=ast.Name(id=name), args=args):
            return (name, *map(_convert, args))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return (_COMPARISONS[type(op)], _convert(left), _convert(right))
    raise ValueError(f"not an expression of rules: {ast.unparse(tree)}")


def variables(expression: Expression) -> set[str]:
    """The names in an expression, functions' names not among them."""
    if isinstance(expression, str):
        return {expression}
    if isinstance(expression, float):
        return set()
    return set().union(*map(variables, expression[1:]))


def is_constant(expression: Expression) -> bool:
    """Whether an expression is made of constants alone."""
    return isinstance(expression, float) or (variables(expression) <= CONSTANTS and expression != ())


def compute(expression: Expression, constants: Mapping[str, float]) -> float:
    """The number that an expression of constants stands for: plain arithmetic; NaN for a division by zero.

    Args:
        expression: made of constants alone.
        constants: the value of each of its variables.
    """
    if isinstance(expression, float):
        return expression
    if isinstance(expression, str):
        return float(constants[expression])
    try:
        return float(_ARITHMETIC[str(expression[0])](*(compute(part, constants) for part in expression[1:])))
    except ZeroDivisionError:
        return float("nan")  # no comparison holds for it


def is_decidable(condition: Expression) -> bool:
    """Whether a condition of a guard speaks of constants alone."""
    return variables(condition) <= CONSTANTS


def holds(condition: Expression, constants: Mapping[str, float]) -> bool:
    """Whether a comparison of constants, one condition of a guard, holds."""
    assert isinstance(condition, tuple)
    operation, left, right = condition
    return _COMPARE[str(operation)](compute(left, constants), compute(right, constants))

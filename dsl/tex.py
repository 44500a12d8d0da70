"""Pieces of LaTeX that know how tightly they bind, and the forms of functions that are made of them.

So parentheses stand where they are needed and nowhere else; and as a piece knows whether its value is never
negative, the bars of protected roots and logarithms are printed only where they do something.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from lion_search.dsl.function import Type


class Level(IntEnum):
    """How tightly a piece binds."""

    SUM = 0
    PRODUCT = 1
    CALL = 2
    """What may stand in a product, but not under an exponent."""
    ATOM = 3


@dataclass(frozen=True, slots=True)
class Tex:
    """A piece of LaTeX.

    Attributes:
        text: the LaTeX.
        level: how tightly it binds; only a sum may begin with a minus.
        width: the type of its value.
        is_constant: whether it is made of constants alone.
        is_nonnegative: whether its value is known to be never negative.
        is_fraction: whether it is a constant from 0 to 1.
        factors: of a product.
    """

    text: str
    level: Level = Level.ATOM
    width: Type = Type.TREE
    is_constant: bool = False
    is_nonnegative: bool = False
    is_fraction: bool = False
    factors: tuple[Tex, ...] = ()

    def at(self, level: Level) -> str:
        """The text where something that binds so tightly is wanted."""
        return self.text if self.level >= level else _in_parentheses(self.text)

    @property
    def term(self) -> str:
        """The text as a term of a sum that is not the first."""
        return _in_parentheses(self.text) if self.text.startswith("-") else self.text

    def inside_bars(self) -> str:
        """The text between bars, which are left out where they do nothing."""
        return self.text if self.is_nonnegative else _in_bars(self.text)


def _in_parentheses(text: str) -> str:
    return rf"\left( {text} \right)" if r"\frac" in text else f"({text})"


def _delimited(left: str, text: str, right: str) -> str:
    """A text between two delimiters as high as it is."""
    is_high = r"\frac" in text
    return rf"\left{left} {text} \right{right}" if is_high else f"{left} {text} {right}"


def _in_bars(text: str) -> str:
    return _delimited(r"\lvert", text, r"\rvert")


# ---- Forms: what makes the piece of a function from those of its arguments.


def call(command: str) -> Callable[..., Tex]:
    """``command(x, y)``."""
    return lambda *args: Tex(command + _in_parentheses(", ".join(a.text for a in args)), Level.CALL)


def between(left: str, right: str) -> Callable[..., Tex]:
    """The arguments between two delimiters, which are as high as they are."""
    return lambda *args: Tex(_delimited(left, ", ".join(a.text for a in args), right))


def atom(text: str) -> Callable[[], Tex]:
    """A symbol."""
    return lambda: Tex(text)


def raised(base: str) -> Callable[[Tex], Tex]:
    """A number to the argument's power."""
    return lambda x: Tex(f"{base}^{{{x.text}}}", Level.CALL)


def exponent(power: str) -> Callable[[Tex], Tex]:
    """The argument to some power."""
    return lambda x: Tex(f"{x.at(Level.ATOM)}^{power}", Level.CALL)


def log(command: str) -> Callable[[Tex], Tex]:
    """The logarithm of the argument's size."""

    def form(x: Tex) -> Tex:
        is_plain = x.is_nonnegative
        text = command + _in_parentheses(x.text) if is_plain else f"{command} {x.inside_bars()}"
        return Tex(text, Level.CALL)

    return form


def log1p(x: Tex) -> Tex:
    """The logarithm of the size of 1 + x."""
    return Tex(rf"\log {_in_bars(f'1 + {x.term}')}", Level.CALL)


def expm1(x: Tex) -> Tex:
    """e^x - 1."""
    return Tex(f"e^{{{x.text}}} - 1", Level.SUM)


def root(x: Tex) -> Tex:
    """The square root of the argument's size."""
    return Tex(rf"\sqrt{{{x.inside_bars()}}}")


def cube_root(x: Tex) -> Tex:
    """The cube root."""
    return Tex(rf"\sqrt[3]{{{x.text}}}")


def reciprocal(x: Tex) -> Tex:
    """1 / x."""
    return Tex(rf"\frac{{1}}{{{x.text}}}", Level.CALL)


def minus(x: Tex) -> Tex:
    """-x."""
    return Tex(f"-{x.at(Level.PRODUCT)}", Level.SUM)


def power(x: Tex, y: Tex) -> Tex:
    """x^y."""
    return Tex(f"{x.at(Level.ATOM)}^{{{y.text}}}", Level.CALL)


def total(x: Tex, y: Tex) -> Tex:
    """x + y."""
    return Tex(f"{x.text} + {y.term}", Level.SUM)


def difference(x: Tex, y: Tex) -> Tex:
    """x - y."""
    return Tex(f"{x.text} - {y.at(Level.PRODUCT)}", Level.SUM)


def product(x: Tex, y: Tex) -> Tex:
    """x y: constants first, then single numbers, such as the learning rate."""
    factors = (x.factors or (x,)) + (y.factors or (y,))
    factors = tuple(sorted(factors, key=lambda f: (not f.is_constant, f.width)))
    text = factors[0].at(Level.PRODUCT)
    for factor in factors[1:]:
        right = factor.at(Level.PRODUCT)
        text += (r" \cdot " if right[0].isdigit() else r" \, ") + right
    return Tex(text, Level.PRODUCT, factors=factors)


def quotient(x: Tex, y: Tex) -> Tex:
    """x / (y + epsilon)."""
    return Tex(rf"\frac{{{x.text}}}{{{y.text} + \epsilon}}", Level.CALL)


def average(x: Tex, y: Tex, weight: Tex) -> Tex:
    """(1 - a) x + a y."""
    rest = Tex(f"(1 - {weight.at(Level.PRODUCT)})", width=weight.width, is_constant=weight.is_constant)
    return total(product(rest, x), product(weight, y))

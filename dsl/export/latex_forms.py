"""How functions are written as LaTeX: pieces that know how tightly they bind.

So parentheses stand where they are needed and nowhere else; and as a piece knows whether its value is never
negative, the bars of protected roots and logarithms are printed only where they do something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType

from lion_search.dsl.equivalence.identities import KEEPS_SIGN, NEVER_NEGATIVE
from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.functions import Function, Type


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
        width: the type of its value; ``None`` for constants.
        is_positive: whether its value is known to be never negative.
        is_fraction: whether it is a constant from 0 to 1.
        factors: of a product.
    """

    text: str
    level: Level = Level.ATOM
    width: Type | None = Type.TREE
    is_positive: bool = False
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
        return self.text if self.is_positive else rf"\lvert {self.text} \rvert"


def _in_parentheses(text: str) -> str:
    return rf"\left( {text} \right)" if r"\frac" in text else f"({text})"


# ---- Functions.


def _call(command: str) -> Callable[..., Tex]:
    return lambda *args: Tex(f"{command}({', '.join(a.text for a in args)})", Level.CALL)


def _between(left: str, right: str) -> Callable[..., Tex]:
    return lambda *args: Tex(f"{left}{', '.join(a.text for a in args)}{right}")


def _raised(base: str) -> Callable[[Tex], Tex]:
    return lambda x: Tex(f"{base}^{{{x.text}}}", Level.CALL)


def _power(exponent: str) -> Callable[[Tex], Tex]:
    return lambda x: Tex(f"{x.at(Level.ATOM)}^{exponent}", Level.CALL)


def _log(command: str) -> Callable[[Tex], Tex]:
    def form(x: Tex) -> Tex:
        return Tex(f"{command}({x.text})" if x.is_positive else f"{command} {x.inside_bars()}", Level.CALL)

    return form


def _sum(x: Tex, y: Tex) -> Tex:
    return Tex(f"{x.text} + {y.term}", Level.SUM)


def _difference(x: Tex, y: Tex) -> Tex:
    return Tex(f"{x.text} - {y.at(Level.PRODUCT)}", Level.SUM)


def _product(x: Tex, y: Tex) -> Tex:
    """Constants first, then single numbers, such as the learning rate."""
    factors = (x.factors or (x,)) + (y.factors or (y,))
    factors = tuple(sorted(factors, key=lambda f: -1 if f.width is None else f.width))
    text = factors[0].at(Level.PRODUCT)
    for factor in factors[1:]:
        right = factor.at(Level.PRODUCT)
        text += (r" \cdot " if right[0].isdigit() else r" \, ") + right
    return Tex(text, Level.PRODUCT, factors=factors)


def _quotient(x: Tex, y: Tex) -> Tex:
    return Tex(rf"\frac{{{x.text}}}{{{y.text} + \epsilon}}", Level.CALL)


def _average(x: Tex, y: Tex, weight: Tex) -> Tex:
    rest = Tex(f"(1 - {weight.at(Level.PRODUCT)})", width=weight.width)
    return _sum(_product(rest, x), _product(weight, y))


_FORMS: Mapping[str, Callable[..., Tex]] = MappingProxyType(
    {
        "abs": _between(r"\lvert ", r" \rvert"),
        "exp": _raised("e"),
        "exp2": _raised("2"),
        "exp10": _raised("10"),
        "expm1": lambda x: Tex(f"e^{{{x.text}}} - 1", Level.SUM),
        "log": _log(r"\log"),
        "log2": _log(r"\log_2"),
        "log10": _log(r"\log_{10}"),
        "log1p": lambda x: Tex(rf"\log \lvert 1 + {x.term} \rvert", Level.CALL),
        "square": _power("2"),
        "cube": _power("3"),
        "sqrt": lambda x: Tex(rf"\sqrt{{{x.inside_bars()}}}"),
        "cbrt": _between(r"\sqrt[3]{", "}"),
        "reciprocal": lambda x: Tex(rf"\frac{{1}}{{{x.text}}}", Level.CALL),
        "negative": lambda x: Tex(f"-{x.at(Level.PRODUCT)}", Level.SUM),
        "add": _sum,
        "subtract": _difference,
        "multiply": _product,
        "divide": _quotient,
        "power": lambda x, y: Tex(f"{x.at(Level.ATOM)}^{{{y.text}}}", Level.CALL),
        "maximum": _call(r"\max"),
        "minimum": _call(r"\min"),
        "norm": _between(r"\lVert ", r" \rVert_{\mathrm{array}}"),
        "global_norm": _between(r"\lVert ", r" \rVert"),
        "dot": _between(r"\langle ", r" \rangle"),
        "interp": _average,
        "get_pi": lambda: Tex(r"\pi"),
        "get_e": lambda: Tex("e"),
        "get_eps": lambda: Tex(r"\epsilon"),
        **{f: _call(f"\\{f}") for f in ("cos", "sin", "tan", "sinh", "cosh", "tanh")},
        **{f: _call(f"\\{f}") for f in ("arcsin", "arccos", "arctan")},
    }
)
"""How functions are printed; others by their name."""

_KEEPS_POSITIVE = frozenset(("add", "multiply", "divide", "maximum", "minimum", "clip", "power", *KEEPS_SIGN))
_ALWAYS_POSITIVE = frozenset((*NEVER_NEGATIVE, "get_pi", "get_e", "get_eps"))


def _is_positive(function: str, args: Sequence[Tex]) -> bool:
    """Whether a function's value is never negative, from what is known of its arguments."""
    if function in _ALWAYS_POSITIVE:
        return True
    if function == "interp":
        return all(a.is_positive for a in args) and args[2].is_fraction
    return function in _KEEPS_POSITIVE and all(a.is_positive for a in args)


def number(value: float) -> Tex:
    """A constant, with the fewest digits that give the same float32."""
    value = round_to_float32(value)
    text, level = repr(value).removesuffix(".0"), Level.ATOM
    if "e" in text:
        mantissa, exponent = text.split("e")
        power = f"10^{{{int(exponent)}}}"
        is_power = mantissa in ("1", "-1")
        text = f"{mantissa[:-1]}{power}" if is_power else rf"{mantissa} \cdot {power}"
        level = Level.CALL if is_power else Level.PRODUCT
    level = Level.SUM if value < 0 else level
    return Tex(text, level, None, value >= 0, 0 <= value <= 1)


def applied(function: Function, args: Sequence[Tex]) -> Tex:
    """A function of some pieces."""
    escaped = function.name.replace("_", r"\_")
    form = _FORMS.get(function.name) or _call(rf"\operatorname{{{escaped}}}")
    widths = [a.width for a in args if a.width is not None]
    width = function.result if function.result is not None else max(widths, default=None)
    return replace(form(*args), width=width, is_positive=_is_positive(function.name, args))

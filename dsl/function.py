"""What a row of the table of functions holds: the one place where a function is described.

Whoever works with programs asks the row: the walks for its ``meaning`` and its type rule, exports for its
code, LaTeX for its form, identities and proofs for its :class:`Properties`. A user's own row says as much as
its author knows; what it leaves out is not assumed.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


class Type(enum.IntEnum):
    """The type of a value, ordered by width: a narrower one is cast to a wider one by broadcasting."""

    SCALAR = 0
    """One number."""
    PER_ARRAY = 1
    """One number for each array of the weight tree."""
    TREE = 2
    """One number for each weight."""


class Parity(enum.Enum):
    """What a function makes of the sign of its arguments."""

    UNKNOWN = enum.auto()
    ODD = enum.auto()
    """It changes its sign with its first argument: f(-x) = -f(x)."""
    EVEN = enum.auto()
    """It looks at sizes only: f(|x|) = f(x), so that f(-x) = f(x)."""
    PRODUCT = enum.auto()
    """It changes its sign with either of two arguments, as x * y does; but for a protective epsilon."""
    JOINT = enum.auto()
    """It answers to a change of sign as its first two arguments do, as x + y does."""


class ZeroIf(enum.Enum):
    """Which arguments must be zero for a function to be zero."""

    FIRST = enum.auto()
    ANY = enum.auto()
    BOTH = enum.auto()
    """The first two."""


class CommonFactor(enum.Enum):
    """Which factors may be taken out of the first two arguments together: f(c x, c y) = c f(x, y)."""

    ANY = enum.auto()
    POSITIVE = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """What identities, proofs, recognition and printing may use, each where the value is finite.

    Attributes:
        parity: see :class:`Parity`.
        keeps_sign: whether sign(f(x)) = sign(x).
        low: a lower bound of all values.
        high: an upper bound.
        is_positive: whether all values are greater than zero.
        keeps_nonnegative: whether f is never negative if no argument is.
        zero_if: see :class:`ZeroIf`; ``None`` if zeros do not make it zero.
        undoes: functions g with f(g(x)) = x.
        undoes_up_to_sign: functions g with f(g(x)) = |x|.
        degrees: for each of the first arguments the power with which a factor c > 0 of that argument alone
            becomes a factor of f: 2 for a square. Zero: none does.
        common_factor: see :class:`CommonFactor`.
        decides: whether it depends on which of two numbers is larger, so that rounding may turn it over.
        divides: whether its last argument is a denominator.
        averages: whether it is a mean of its first two arguments, the third the weight of the second.
    """

    parity: Parity = Parity.UNKNOWN
    keeps_sign: bool = False
    low: float = -math.inf
    high: float = math.inf
    is_positive: bool = False
    keeps_nonnegative: bool = False
    zero_if: ZeroIf | None = None
    undoes: tuple[str, ...] = ()
    undoes_up_to_sign: tuple[str, ...] = ()
    degrees: tuple[float, ...] = ()
    common_factor: CommonFactor | None = None
    decides: bool = False
    divides: bool = False
    averages: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """How a value is called after its function, in a program written for people.

    Attributes:
        noun: a name without its arguments, as ``total``; else it is called ``function_argument``.
        with_number: what it does to a tree if its second argument is a number, as ``scaled``.
        suffixes: appended to the argument's name, one for letters and one for names that end in a digit.
    """

    noun: str = ""
    with_number: str = ""
    suffixes: tuple[str, str] | None = None


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
        jax_code: the code of an export to JAX, such as ``"jnp.tanh({0})"``: short for ``codes["jax"]``.
        code: the code of any export, such as ``"{xp}.tanh({0})"``; ``{xp}`` is the array library, ``{0}`` the
            first argument: one array at a time or, of a row that looks across arrays, a list of them;
            ``{eps}`` is the language's epsilon, which exports make a hyper-parameter.
        codes: the code of single exports where it is another, by the name of the target.
        helpers: Python functions that the code calls, as text, in the order in which they are needed.
        latex: makes its LaTeX of its arguments' (:mod:`lion_search.dsl.tex`); else its name is printed.
        latex_note: a comment that explains what is not plain in it.
        mixes_arrays: of a row whose result is a tree: whether an array of it depends on other arrays.
        properties: what else is known of it.
        words: what its values are called.
        arity: how many arguments it takes (derived).
        needs_scalar: whether some argument must be narrower than a tree (derived).
        result_type: the type rule: the type of its value, given those of its arguments, which must have
            passed the check of programs (derived).
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
    code: str | None = None
    codes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    helpers: tuple[str, ...] = ()
    latex: Callable[..., Any] | None = None
    latex_note: str = ""
    mixes_arrays: bool = False
    properties: Properties = Properties()
    words: Words = Words()
    arity: int = field(init=False)
    needs_scalar: bool = field(init=False)
    result_type: Callable[[Sequence[Type]], Type] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arity", len(self.parameters))
        object.__setattr__(self, "needs_scalar", any(p is not Type.TREE for p in self.parameters))
        result = self.result
        object.__setattr__(self, "result_type", max if result is None else lambda arguments: result)
        if self.jax_code is not None:
            object.__setattr__(self, "codes", MappingProxyType({**self.codes, "jax": self.jax_code}))

    @property
    def elementwise(self) -> bool:
        """Whether the function acts on each number alone."""
        return self.result is None

    @property
    def looks_across(self) -> bool:
        """Whether a result depends on more than one array of its arguments."""
        return self.mixes_arrays or (self.arity > 0 and self.result is Type.SCALAR)

    @property
    def never_negative(self) -> bool:
        """Whether no value is negative."""
        return self.properties.low >= 0

    def code_for(self, target: str, xp: str) -> str | None:
        """Its code for an export, with ``{0}``, ``{1}``, ... for the arguments; ``None`` if it has none.

        Args:
            target: the name of the export.
            xp: what the array library is called there.
        """
        code = self.codes.get(target, self.code)
        return None if code is None else code.replace("{xp}", xp)

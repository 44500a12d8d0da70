"""Families of functions: those of which the same is known, so that one identity or rule serves them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lion_search.dsl.function import Function, Parity


@dataclass(frozen=True, slots=True)
class Families:
    """Names of functions of one argument, in the order of the table, by what is known of them.

    Attributes:
        odd: f(-x) = -f(x); without ``negative``, in terms of which this is said.
        even: f(-x) = f(x); the protected functions act on |x|.
        blind_to_abs: f(|x|) = f(x): the even ones without ``abs`` itself.
        never_negative: |f(x)| = f(x).
        keeps_sign: sign(f(x)) = sign(x) where f is finite.
        left_inverses: pairs (f, g) with f(g(x)) = x where g is finite.
        inverses_up_to_sign: pairs (f, g) with f(g(x)) = |x|.
    """

    odd: tuple[str, ...]
    even: tuple[str, ...]
    blind_to_abs: tuple[str, ...]
    never_negative: tuple[str, ...]
    keeps_sign: tuple[str, ...]
    left_inverses: tuple[tuple[str, str], ...]
    inverses_up_to_sign: tuple[tuple[str, str], ...]


def families(rows: Iterable[Function]) -> Families:
    """The families of some rows."""
    unary = [row for row in rows if row.arity == 1]

    def names(belongs: Callable[[Function], bool]) -> tuple[str, ...]:
        return tuple(row.name for row in unary if belongs(row))

    even = names(lambda row: row.properties.parity is Parity.EVEN)
    return Families(
        odd=names(lambda row: row.properties.parity is Parity.ODD and row.name != "negative"),
        even=even,
        blind_to_abs=tuple(name for name in even if name != "abs"),
        never_negative=names(lambda row: row.never_negative),
        keeps_sign=names(lambda row: row.properties.keeps_sign),
        left_inverses=tuple((row.name, g) for row in unary for g in row.properties.undoes),
        inverses_up_to_sign=tuple((row.name, g) for row in unary for g in row.properties.undoes_up_to_sign),
    )

"""Two programs side by side, by statement and by meaning: ``lion-search diff``."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lion_search.dsl.equivalence.canonical import Canonical, canonicalise
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, format_statement
from lion_search.simplify.writing.readable import readable


class Meaning(enum.StrEnum):
    """How two programs compare by what they compute."""

    EQUAL = "equal"
    """They have the same canonical form."""
    ALIKE = "alike"
    """Their forms differ, and on the fixed numbers of the fingerprint they do the same."""
    CONSTANTS = "constants"
    """Their canonical forms differ in constants only."""
    DIFFERENT = "different"
    """They differ in more."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant in which two canonical forms differ.

    Attributes:
        statement: of the first program, written for people or canonical.
        first: its value there.
        second: its value in the other.
    """

    statement: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two programs.

    Attributes:
        meaning: how they compare by what they compute.
        words: the same in a sentence.
        constants: those that differ, where nothing else does.
        statements: both as they are written, aligned: each line after two spaces, ``- `` or ``+ ``.
        forms: the same of what they compute, written for people.
    """

    meaning: Meaning
    words: str
    constants: tuple[Constant, ...]
    statements: tuple[str, ...]
    forms: tuple[str, ...]


def difference(first: Program, second: Program) -> Difference:
    """Compares two checked programs."""
    forms = canonicalise(first), canonicalise(second)
    constants = tuple(_constants(*(form.program() for form in forms)))
    meaning = _meaning(*forms, constants)
    return Difference(
        meaning,
        _words(meaning, constants),
        constants if meaning is Meaning.CONSTANTS else (),
        _aligned(first, second),
        _aligned(readable(first, factors=False), readable(second, factors=False)),
    )


def _meaning(first: Canonical, second: Canonical, constants: tuple[Constant, ...]) -> Meaning:
    if first.hash == second.hash:
        return Meaning.EQUAL
    if fingerprint(first.program()) == fingerprint(second.program()):
        return Meaning.ALIKE
    return Meaning.CONSTANTS if constants else Meaning.DIFFERENT


def _words(meaning: Meaning, constants: tuple[Constant, ...]) -> str:
    match meaning:
        case Meaning.EQUAL:
            return "They compute the same: their canonical forms are equal."
        case Meaning.ALIKE:
            return "Their canonical forms differ; on fixed numbers they compute the same."
        case Meaning.CONSTANTS:
            listed = "; ".join(f"{c.first:g} is {c.second:g} in {c.statement}" for c in constants)
            return f"They are the same but for constants: {listed}."
        case Meaning.DIFFERENT:
            return "They compute different things."


def _constants(first: Program, second: Program) -> Iterator[Constant]:
    """The constants that differ, if nothing else does."""
    if _without_constants(first) != _without_constants(second):
        return
    for one, other in zip(first.statements, second.statements, strict=True):
        for a, b in zip(one.args, other.args, strict=True):
            if isinstance(a, float) and isinstance(b, float) and a != b:
                yield Constant(format_statement(one), a, b)


def _without_constants(program: Program) -> Program:
    statements = tuple(
        replace(s, args=tuple(0.0 if isinstance(a, float) else a for a in s.args)) for s in program.statements
    )
    outputs = tuple(0.0 if isinstance(a, float) else a for a in program.outputs)
    return replace(program, statements=statements, outputs=outputs)


def _aligned(first: Program, second: Program) -> tuple[str, ...]:
    before, after = format_program(first).splitlines(), format_program(second).splitlines()
    return tuple(line for line in difflib.ndiff(before, after) if not line.startswith("?"))

"""Two programs side by side, by statement and by meaning: ``lion-search diff``."""

from __future__ import annotations

import difflib
import enum
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lion_search.dsl.equivalence.canonical import Canonical, canonicalise
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.dsl.text import format_program, format_statement
from lion_search.simplify.recognition.identify import identify, identify_as_it_stands
from lion_search.simplify.recognition.recognized import Recognition
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
class Role:
    """A constant by its role in a known optimizer that two programs both are.

    Attributes:
        role: what it is, such as ``b1``.
        first: its value in the first program; ``None`` where that has none.
        second: the same of the other.
    """

    role: str
    first: float | None
    second: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two programs.

    Attributes:
        meaning: how they compare by what they compute.
        words: the same in sentences.
        constants: those that differ, where nothing else does.
        first: which known optimizer the first program is, and in what it differs from that; may be empty.
        second: the same of the other.
        roles: constants that differ, where both are the same known optimizer.
        statements: both as they are written, aligned: each line after two spaces, ``- `` or ``+ ``.
        forms: the same of what they compute, written for people.
    """

    meaning: Meaning
    words: str
    constants: tuple[Constant, ...]
    first: str
    second: str
    roles: tuple[Role, ...]
    statements: tuple[str, ...]
    forms: tuple[str, ...]


def difference(first: Program, second: Program, *, proves: bool = False) -> Difference:
    """Compares two checked programs.

    Args:
        first: one.
        second: the other.
        proves: whether known optimizers are looked for by proof too, which takes seconds, and not only in the
            programs as they stand.
    """
    forms = canonicalise(first), canonicalise(second)
    constants = tuple(_constants(*(form.program() for form in forms)))
    meaning = _meaning(*forms, constants)
    recognize = identify if proves else identify_as_it_stands
    known = recognize(first), recognize(second)
    roles = tuple(_roles(*known))
    return Difference(
        meaning,
        f"{_words(meaning, () if roles else constants)} {_known_words(*known, roles, proves=proves)}",
        constants if meaning is Meaning.CONSTANTS else (),
        known[0].title,
        known[1].title,
        roles,
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
            return f"They are the same but for constants{': ' * bool(listed)}{listed}."
        case Meaning.DIFFERENT:
            return "They compute different things."


def _known_words(first: Recognition, second: Recognition, roles: tuple[Role, ...], *, proves: bool) -> str:
    """Which known optimizers they are."""
    if not (first.name or second.name):
        return f"Neither is a known optimizer{'' if proves else ' as it stands'}."
    none = f"no known optimizer{'' if proves else ' as it stands'}"
    is_same = first.title == second.title
    what = (
        f"Both are {first.title}"
        if is_same
        else f"The first is {first.title or none}, the second {second.title or none}"
    )
    values = ", ".join(f"{r.role} {_value(r.first)} against {_value(r.second)}" for r in roles)
    return f"{what}{': ' * bool(values)}{values}."


def _value(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _roles(first: Recognition, second: Recognition) -> Iterator[Role]:
    """The constants that differ, where both are the same entry of the library."""
    if first.name == second.name:
        for role in {**first.roles, **second.roles}:
            own, other = first.roles.get(role), second.roles.get(role)
            if own != other:
                yield Role(role, own, other)


def _constants(first: Program, second: Program) -> Iterator[Constant]:
    """The constants that differ, if nothing else does; their order in a canonical form is of no matter."""
    if len(first.states) != len(second.states):
        return
    for order in itertools.permutations(range(len(second.states))):
        pairs = _Pairs(first, second, {first.states[i]: second.states[k] for i, k in enumerate(order)})
        outputs = [second.outputs[0], *(second.outputs[1 + k] for k in order)]
        if all(itertools.starmap(pairs.same, zip(first.outputs, outputs, strict=True))) and pairs.are_unique:
            yield from pairs.constants
            return


class _Pairs:
    """Values of two canonical forms that are the same but for constants, and these where they differ."""

    def __init__(self, first: Program, second: Program, states: Mapping[str, str]) -> None:
        self._first, self._second = ({s.target: s for s in p.statements} for p in (first, second))
        self._states = states
        self._known: dict[tuple[Argument, Argument], bool] = {}
        self.constants: list[Constant] = []

    @property
    def are_unique(self) -> bool:
        """Whether no value has two partners: what is one average here may be two there."""
        same = [pair for pair, is_same in self._known.items() if is_same]
        return len({a for a, _ in same}) == len({b for _, b in same}) == len(same)

    def same(self, a: Argument, b: Argument, where: str = "") -> bool:
        """Whether two values are."""
        if isinstance(a, float) and isinstance(b, float):
            self.constants += [Constant(where, a, b)] if a != b else []
            return True
        if (a, b) not in self._known:
            self._known[a, b] = self._is_same(a, b)
        return self._known[a, b]

    def _is_same(self, a: Argument, b: Argument) -> bool:
        if isinstance(a, float) or isinstance(b, float):
            return False
        if a not in self._first or b not in self._second:
            return self._states.get(a, a) == b and b not in self._second
        one, other = self._first[a], self._second[b]
        if one.function != other.function:
            return False
        commutes = FUNCTIONS[one.function].commutative
        return any(
            self._are_same(one, args) for args in (other.args, other.args[::-1])[: 2 if commutes else 1]
        )

    def _are_same(self, one: Statement, args: Sequence[Argument]) -> bool:
        before, known = len(self.constants), dict(self._known)
        is_same = all(self.same(a, b, format_statement(one)) for a, b in zip(one.args, args, strict=True))
        if not is_same:
            del self.constants[before:]
            self._known = known
        return is_same


def _aligned(first: Program, second: Program) -> tuple[str, ...]:
    before, after = format_program(first).splitlines(), format_program(second).splitlines()
    return tuple(line for line in difflib.ndiff(before, after) if not line.startswith("?"))

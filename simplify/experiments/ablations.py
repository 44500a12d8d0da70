"""What might be left out: changes of a program that only an experiment can justify.

A change takes the canonical form, in which each value is computed once, and gives a simpler one: a value is
replaced by one of those it is computed from, a state by nothing or by the gradient, a constant by one with
fewer digits. Nothing here says whether the program is as good then.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.errors import ProgramError
from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.program import GRADIENT, Argument, Program, Statement, args_with, with_values
from lion_search.dsl.shown import plural
from lion_search.dsl.types import check
from lion_search.dsl.variation.statements import with_argument
from lion_search.simplify.equality.rewriting import cost
from lion_search.simplify.program_text import ProgramText

MOST_DIGITS = 3
"""Constants are snapped to one digit, two, or so many."""
NEAR = 0.1
"""A constant moves by so much of itself at most; one near 1, of its distance from 1."""
_DEPTH = 2
_SHORTENED = "..."


class ChangeKind(enum.StrEnum):
    """What is changed."""

    STATEMENT = "statement"
    """A value is replaced by an argument of its statement."""
    STATE = "state"
    """A state is replaced by 0 or by the gradient."""
    CONSTANT = "constant"
    """A constant gets fewer digits."""
    STAND_IN = "stand-in"
    """A value is replaced by a simple form of another that it nearly is, in numbers."""
    REWRITING = "rewriting"
    """Rules that take the protective epsilon for small: nothing is left out, but only nearly so."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """A simpler program that may be as good.

    Attributes:
        kind: what is changed.
        what: the change in one line, ``arcsin(clip(g, lr)) -> clip(g, lr)``.
        program: the program then, canonical.
    """

    kind: ChangeKind
    what: str
    program: ProgramText


def complexity(program: Program) -> tuple[int, int, float, int]:
    """What experiments make smaller: states, statements, the time of a step, digits of constants."""
    constants = [a for s in program.statements for a in s.args if isinstance(a, float)]
    return (*cost(program), sum(map(num_digits, constants)))


def ablations(program: Program) -> list[Ablation]:
    """The program without one of its statements or states, the simplest first.

    Args:
        program: in canonical form.
    """
    return simpler(program, [*_without_state(program), *_without_statement(program)])


def snapped(program: Program) -> list[Ablation]:
    """The program with one of its constants, or all, in fewer digits; the fewest digits first.

    Args:
        program: in canonical form.
    """
    return simpler(program, [*_snapped_alone(program), *_snapped_together(program)])


def num_digits(constant: float) -> int:
    """The significant digits of the shortest decimal that is this float32, or of its distance from 1."""
    return min(_significant(constant), _significant(_distance_from_one(constant)))


def _distance_from_one(constant: float) -> float:
    """What a decay rate is near 1 by; 0.1 for the float32 next to 0.9."""
    value = Decimal(_shortest(constant))
    return float(1 - value) if abs(value - 1) < Decimal("0.5") and value != 1 else constant


def _shortest(constant: float) -> str:
    return repr(round_to_float32(constant))


def _significant(constant: float) -> int:
    digits = Decimal(_shortest(constant)).normalize().as_tuple().digits
    return len(digits)


def simpler(program: Program, found: Iterable[tuple[ChangeKind, str, Program]]) -> list[Ablation]:
    """The valid and distinct ones of some changes, as far as they are simpler, the simplest first.

    Args:
        program: in canonical form.
        found: changes of it: of which kind, in one line, and the program then.
    """
    before = complexity(program)
    simpler: dict[str, Ablation] = {}
    for kind, what, changed in found:
        try:
            check(changed)
        except ProgramError:  # such as a tree where a scalar is wanted
            continue
        canonical = canonicalise(changed)
        new = canonical.program()
        if complexity(new) < before and canonical.hash not in simpler:
            simpler[canonical.hash] = Ablation(kind, what, new)
    return sorted(simpler.values(), key=lambda ablation: complexity(ablation.program))


def _without_statement(program: Program) -> Iterator[tuple[ChangeKind, str, Program]]:
    write = writer(program)
    for statement in program.statements:
        for arg in dict.fromkeys(a for a in statement.args if isinstance(a, str)):
            changed = _replaced(program, statement.target, arg)
            yield ChangeKind.STATEMENT, f"{write(statement.target)} -> {write(arg)}", changed


def _without_state(program: Program) -> Iterator[tuple[ChangeKind, str, Program]]:
    for state in program.states:
        for value in (0.0, GRADIENT):
            yield ChangeKind.STATE, f"state {state} -> {value}", _replaced(program, state, value)


def _replaced(program: Program, name: str, value: Argument) -> Program:
    """The program with every use of a name replaced."""
    values = {name: value}
    statements = with_values(program.statements, values)
    return Program(program.states, statements, args_with(program.outputs, values))


def _snapped_alone(program: Program) -> Iterator[tuple[ChangeKind, str, Program]]:
    write = writer(program)
    for at, statement in enumerate(program.statements):
        for position, arg in enumerate(statement.args):
            if isinstance(arg, float):
                for new in _rounder(arg):
                    what = f"{_shortest(arg)} -> {_shortest(new)} in {write(statement.target)}"
                    yield ChangeKind.CONSTANT, what, with_argument(program, at, position, new)


def _snapped_together(program: Program) -> Iterator[tuple[ChangeKind, str, Program]]:
    for digits in range(1, MOST_DIGITS + 1):

        def snap(arg: Argument, most: int = digits) -> Argument:
            if isinstance(arg, str):
                return arg
            return next((new for new in _rounder(arg) if num_digits(new) <= most), arg)

        statements = tuple(replace(s, args=tuple(map(snap, s.args))) for s in program.statements)
        yield (
            ChangeKind.CONSTANT,
            f"all constants to {plural(digits, 'digit')}",
            replace(program, statements=statements),
        )


def _rounder(constant: float) -> list[float]:
    """Constants of fewer digits nearby, the fewest digits first."""
    found: dict[float, None] = {}
    one_less = _distance_from_one(constant)
    for digits in range(1, MOST_DIGITS + 1):
        if one_less != constant:
            rounded = float(f"{one_less:.{digits}g}")
            if abs(rounded - one_less) <= NEAR * abs(one_less):
                found[float(1 - Decimal(f"{one_less:.{digits}g}"))] = None
        rounded = float(f"{constant:.{digits}g}")
        if abs(rounded - constant) <= NEAR * abs(constant) and one_less == constant:
            found[rounded] = None
    return [new for new in found if num_digits(new) < num_digits(constant)]


def writer(program: Program) -> Callable[[Argument], str]:
    """Writes values of a program in canonical form as expressions, two functions deep."""
    body: Mapping[str, Statement] = {s.target: s for s in program.statements}

    def write(value: Argument, depth: int = _DEPTH, *, inside: bool = False) -> str:
        if isinstance(value, float):
            return _shortest(value)
        statement = body.get(value)
        if statement is None:
            return value
        if depth == 0:
            return _SHORTENED
        symbol = FUNCTIONS[statement.function].symbol
        args = [write(arg, depth - 1, inside=symbol is not None) for arg in statement.args]
        if symbol is None:
            return f"{statement.function}({', '.join(args)})"
        text = f" {symbol} ".join(args)
        return f"({text})" if inside else text

    return write

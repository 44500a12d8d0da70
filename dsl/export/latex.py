"""A program as LaTeX: statement by statement, or as the equations that a paper would print.

Both are one walk over the program, whose values are pieces of LaTeX (:mod:`lion_search.dsl.tex`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import count
from types import MappingProxyType

from lion_search.dsl import tex
from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.execute import execute
from lion_search.dsl.functions import FUNCTIONS, Function, Type
from lion_search.dsl.liveness import liveness, prune
from lion_search.dsl.program import GRADIENT, LEARNING_RATE, UPDATE, WEIGHTS, Program
from lion_search.dsl.tex import Level, Tex
from lion_search.dsl.types import input_types

# ---- Names.

_GREEK = frozenset((
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu",
    "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
))  # fmt: skip
_LETTERS: Mapping[str, str] = MappingProxyType(
    {UPDATE: "u", LEARNING_RATE: r"\eta", "momentum": "m", "second_moment": "v", "state": "s"}
)
"""Names of roles, which have letters of their own unless the program uses these otherwise."""
_ACCENTS = ("hat", "tilde", "bar")


def _stem(variable: str, taken: Collection[str]) -> tuple[str, str]:
    """A name's symbol and index: ``m2`` is a letter with an index, Greek names are Greek, others words."""
    match = re.fullmatch(r"([A-Za-z_]*[A-Za-z])_?(\d+)", variable)
    stem, index = (match[1], match[2]) if match else (variable, "")
    letter = _LETTERS.get(stem, "")
    if letter and letter not in taken:
        return letter, index
    if stem in _GREEK:
        return f"\\{stem}", index
    escaped = stem.replace("_", r"\_")
    return (stem if len(stem) == 1 else rf"\mathrm{{{escaped}}}"), index


def _indexed(symbol: str, *indices: str) -> str:
    text = ",".join(i for i in indices if i)
    return f"{symbol}_{{{text}}}" if len(text) > 1 else f"{symbol}_{text}" if text else symbol


def _taken(program: Program) -> frozenset[str]:
    """Names that a program uses itself and that are therefore not free for roles."""
    return frozenset(
        re.sub(r"_?\d+$", "", n) for n in (*program.inputs, *(s.target for s in program.statements))
    )


# ---- Numbers and functions.


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
    return Tex(
        text, level, Type.SCALAR, is_constant=True, is_nonnegative=value >= 0, is_fraction=0 <= value <= 1
    )


def applied(function: Function, args: Sequence[Tex]) -> Tex:
    """A function of some pieces."""
    return replace(
        _form(function)(*args),
        width=function.result_type([a.width for a in args]),
        is_constant=function.elementwise and all(a.is_constant for a in args),
        is_nonnegative=_is_nonnegative(function, args),
    )


def _form(function: Function) -> Callable[..., Tex]:
    escaped = function.name.replace("_", r"\_")
    return function.latex or tex.call(rf"\operatorname{{{escaped}}}")


def _is_nonnegative(function: Function, args: Sequence[Tex]) -> bool:
    """Whether a function's value is never negative, from what is known of its arguments."""
    known = function.properties
    if function.never_negative:
        return True
    keeps = known.keeps_nonnegative or known.keeps_sign or (known.averages and args[2].is_fraction)
    return keeps and all(a.is_nonnegative for a in args)


@cache
def _times_written(function: Function) -> tuple[int, ...]:
    """How often a function's LaTeX shows each of its arguments."""
    marks = [f"<{position}>" for position in range(function.arity)]
    text = _form(function)(*map(Tex, marks)).text
    return tuple(text.count(mark) for mark in marks)


# ---- The walk.


class _Writer:
    """A domain: values are pieces of LaTeX; one with a name gets a line, others stand where they are used.

    ``lines`` are the lines so far, by the number of the statement.
    """

    def __init__(self, names: Mapping[int, str], relation: str) -> None:
        self.lines: dict[int, str] = {}
        self._names = names
        self._relation = relation

    def constant(self, value: float) -> Tex:
        return number(value)

    def apply(self, function: Function, args: Sequence[Tex], index: int = -1) -> Tex:
        value = applied(function, args)
        name = self._names.get(index)
        if name is None:
            return value
        self.lines[index] = f"{name} {self._relation} {value.text}"
        return replace(value, text=name, level=Level.ATOM, factors=())


def _inputs(program: Program, name: Callable[[str], str]) -> dict[str, Tex]:
    """The inputs under names; states that never are negative are found by assuming it until it holds."""
    numbered = {i: str(i) for i in range(len(program.statements))}
    types = input_types(program)
    nonnegative = set(program.states)
    while True:
        inputs = {n: Tex(name(n), width=types[n], is_nonnegative=n in nonnegative) for n in program.inputs}
        _, *new = execute(program, _Writer(numbered, ""), inputs)
        still = {
            s
            for s, value in zip(program.states, new, strict=True)
            if s in nonnegative and value.is_nonnegative
        }
        if still == nonnegative:
            return inputs
        nonnegative = still


class _Uses:
    """A domain that counts how often each value is written; values are numbers of statements, if any."""

    def __init__(self) -> None:
        self.count: Counter[int | None] = Counter()

    def constant(self, value: float) -> None:
        return None

    def apply(self, function: Function, args: Sequence[int | None], index: int) -> int | None:
        for arg, times in zip(args, _times_written(function), strict=True):
            self.count[arg] += times
        return index


# ---- What is printed.


def to_latex(program: Program) -> str:
    """The program statement by statement as an ``align*`` environment; the new weights are its last line."""
    taken = _taken(program)

    def name(variable: str) -> str:
        return _indexed(*_stem(variable, taken))

    # Weights that the program overwrites are not those from which the update is subtracted.
    targets = [s.target for s in program.statements]
    names = {i: r"\tilde{w}" if t == WEIGHTS else name(t) for i, t in enumerate(targets)}
    writer = _Writer(names, r"&\leftarrow")
    update, *new = execute(program, writer, _inputs(program, name))
    assigned = [(name(s), v.text) for s, v in zip(program.states, new, strict=True) if v.text != name(s)]
    assigned.append((WEIGHTS, _subtracted(WEIGHTS, update)))
    return _aligned(program, [*writer.lines.values(), *_assignments(program, assigned)])


def _assignments(program: Program, assigned: Sequence[tuple[str, str]]) -> list[str]:
    """One after the other; or all at once, if one reads a state that was assigned before it."""
    changed = [s for s, o in zip(program.states, program.outputs[1:], strict=True) if s != o]
    read_after = [{*program.outputs[1 + program.states.index(s) + 1 :], program.outputs[0]} for s in changed]
    if any(s in read for s, read in zip(changed, read_after, strict=True)):
        left, right = (", ".join(side) for side in zip(*assigned, strict=True))
        return [rf"({left}) &\leftarrow ({right})"]
    return [rf"{left} &\leftarrow {right}" for left, right in assigned]


def to_equations(program: Program) -> str:
    """The program as a paper would print it: equations for the update, the states and the weights.

    Values that are used once are written where they are used; others get an equation of their own.

    Args:
        program: any checked program; what is redundant is left out.

    Returns:
        An ``align*`` environment with time as an index: a step makes ``w_t`` of ``w_{t-1}`` and ``g_t``.
    """
    program = prune(program)
    taken = _taken(program)

    def name(variable: str) -> str:
        time = "t" if variable in (GRADIENT, LEARNING_RATE) else "t-1"
        return _indexed(*_stem(variable, taken), time)

    inputs = _inputs(program, name)
    new_states = [_indexed(*_stem(s, taken), "t") for s in program.states]
    names = _equation_names(program, taken, {"w_t", *new_states, *(i.text for i in inputs.values())})
    writer = _Writer(names, "&=")
    update, *new = execute(program, writer, inputs)
    # What the update needs comes first, then the update, then other states.
    needed = liveness(replace(program, states=(), outputs=program.outputs[:1])).statements
    lines = [line for _, line in sorted(writer.lines.items(), key=lambda item: not needed[item[0]])]
    lines += [f"{s} &= {value.text}" for s, value in zip(new_states, new, strict=True) if value.text != s]
    return _aligned(program, [*lines, f"w_t &= {_subtracted('w_{t-1}', update)}"])


def _equation_names(program: Program, taken: Collection[str], used: Collection[str]) -> dict[int, str]:
    """The statements that get an equation: new states, the update, and what is used more than once."""
    uses = _Uses()
    update, *new = execute(program, uses, dict.fromkeys(program.inputs))
    names: dict[int, str] = {}
    for state, index in zip(program.states, new, strict=True):
        if index is not None:
            names.setdefault(index, _indexed(*_stem(state, taken), "t"))
    if update is not None:
        names.setdefault(update, _unused(*_stem(UPDATE, taken), {*used, *names.values()}))
    for index, statement in enumerate(program.statements):
        if uses.count[index] > 1 and index not in names:
            names[index] = _unused(*_stem(statement.target, taken), {*used, *names.values()})
    return names


def _unused(symbol: str, index: str, used: Collection[str]) -> str:
    """The symbol at time t, with an accent or another index if it stands for something else already."""
    accented = [rf"\{accent}{{{symbol}}}" for accent in _ACCENTS] if not symbol.startswith(r"\mathrm") else []
    for candidate in (symbol, *accented):
        if (found := _indexed(candidate, index, "t")) not in used:
            return found
    return next(f for i in count(2) if (f := _indexed(symbol, index, str(i), "t")) not in used)


def _subtracted(weights: str, update: Tex) -> str:
    return f"{weights} - {update.at(Level.PRODUCT)}"


def _aligned(program: Program, lines: Iterable[str]) -> str:
    notes = {FUNCTIONS[s.function].latex_note for s in program.statements} - {""}
    comments = "".join(f"% {note}\n" for note in sorted(notes))
    return comments + "\\begin{align*}\n  " + " \\\\\n  ".join(lines) + "\n\\end{align*}\n"

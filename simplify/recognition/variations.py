"""Known optimizers, varied in what people vary: weight decay and the schedule.

Each row changes a program of the library, or gives nothing where there is nothing to change. All that is not
said here (a decay inside the gradient, a mask, another function for the sign) is found as a difference of one
value, see :mod:`differences`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from lion_search.dsl.library import library_program
from lion_search.dsl.program import LEARNING_RATE, UPDATE, WEIGHTS, Program, Statement, with_values
from lion_search.simplify.recognition.templates import Template, make_template

NO_DECAY, DECOUPLED = "no weight decay", "decoupled weight decay"
LATE, NO_SCHEDULE = "one step late", "no schedule"
_ANY_DECAY = 0.01
_DECAY, _DECAYED = "wd", "decayed"


@dataclass(frozen=True, slots=True)
class Variant:
    """A known optimizer, varied.

    Attributes:
        name: of the library.
        kinds: how it is varied; none: it is as it stands there.
        template: of the program.
    """

    name: str
    kinds: tuple[str, ...]
    template: Template


def _without_decay(program: Program) -> Program | None:
    """The weights' multiple is not added."""
    for decay in program.statements:
        if decay.function == "multiply" and decay.args[0] == WEIGHTS and isinstance(decay.args[1], float):
            kept = tuple(s for s in program.statements if s is not decay and decay.target not in s.args)
            return replace(program, statements=kept)
    return None


def _with_decay(program: Program) -> Program | None:
    """A multiple of the weights is added before all is multiplied by the learning rate."""
    *body, last = program.statements
    if last.function != "multiply" or last.args[1] != LEARNING_RATE or _reads_weights(program):
        return None
    decay = Statement(_DECAY, "multiply", (WEIGHTS, _ANY_DECAY))
    decayed = Statement(_DECAYED, "add", (last.args[0], _DECAY))
    return replace(program, statements=(*body, decay, decayed, replace(last, args=(_DECAYED, LEARNING_RATE))))


def _reads_weights(program: Program) -> bool:
    return any(WEIGHTS in s.args for s in program.statements)


def _without_schedule(program: Program) -> Program | None:
    """The learning rate is the constant that the schedule would multiply."""
    rates = [s for s in program.statements if LEARNING_RATE in s.args]
    if len(rates) != 2 or rates[0].target != LEARNING_RATE or rates[1].target != UPDATE:
        return None
    kept = [s for s in program.statements if s is not rates[0]]
    return replace(program, statements=with_values(kept, {LEARNING_RATE: rates[0].args[1]}))


def _late(program: Program) -> Program | None:
    """The update reads its only average before the gradient enters it."""
    first, *others = program.statements
    if (first.function, first.target) != ("interp", *program.states) or first.target in others[-1].args:
        return None
    return replace(program, statements=(*others, first))


_DECAYS: tuple[tuple[str, Callable[[Program], Program | None]], ...] = (
    (NO_DECAY, _without_decay),
    (DECOUPLED, _with_decay),
)


_ROWS = (_DECAYS, ((LATE, _late),), ((NO_SCHEDULE, _without_schedule),))


@cache
def variants(name: str) -> tuple[Variant, ...]:
    """An entry of the library as it stands, and varied in one way or more."""
    found: list[tuple[tuple[str, ...], Program]] = [((), library_program(name))]
    for rows in _ROWS:
        found += [
            ((*kinds, kind), changed)
            for kinds, program in found
            for kind, change in rows
            if (changed := change(program)) is not None
        ]
    return tuple(Variant(name, kinds, make_template(program)) for kinds, program in found)

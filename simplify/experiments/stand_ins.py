"""Values that might as well be simpler ones: proposed from numbers, along a training of the program.

``arctan(1 / m)`` and ``arcsinh(1e8 * m)`` are hardly anything but a multiple of ``sign(m)``; no rule proves
that, and it is true only for the sizes that ``m`` has. So each value is compared, in recorded numbers, with
simple forms of the inputs and of the values before it; a form that is nearly the value is proposed to stand
in for it. Whether the program trains as well then is for an experiment to say.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lion_search.dsl.program import Argument, Program, Statement, args_with, with_values
from lion_search.simplify.experiments.ablations import Ablation, ChangeKind, simpler, writer

Recording = Mapping[str, np.ndarray]
"""For each input and variable of a program its values ``[records, weights]``."""
Record = Callable[[Program, float], Sequence[Recording]]
"""Records a program on some tasks, its updates multiplied by a scale."""

NEAR = 0.3
"""A form is nearly a value if what is left has at most so large a part of its root mean square."""
_PER_VALUE, _MOST = 4, 32
"""So many forms are proposed for a value, the nearest, and so many for a program."""
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Form:
    """A simple function of one value; a constant factor is fitted.

    Attributes:
        text: of ``{}``, for people.
        functions: what it applies: to the value, then to what came out; ``*`` multiplies that by the value.
    """

    text: str
    functions: tuple[str, ...]


FORMS = (
    Form("{}", ()),
    Form("sign({})", ("sign",)),
    Form("abs({})", ("abs",)),
    Form("square({})", ("square",)),
    Form("abs({0}) * {0}", ("abs", "*")),
)
"""Besides these a constant may stand in for a value."""

_BASES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "sign": lambda value, x: np.sign(value),
    "abs": lambda value, x: np.abs(value),
    "square": lambda value, x: value * value,
    "*": lambda value, x: value * x,
}


def stand_ins(program: Program, recordings: Sequence[Recording]) -> list[Ablation]:
    """Simpler programs in which a form stands in for a value that it nearly is, the simplest first.

    Args:
        program: in canonical form.
        recordings: of it, one for each task.
    """
    if not recordings:
        return []
    write, found = writer(program), []
    for index, statement in enumerate(program.statements):
        near = heapq.nsmallest(_PER_VALUE, _near(program, index, recordings), key=lambda n: n[0])
        for error, factor, form, name in near:
            what = f"{write(statement.target)} -> {_written(factor, form, write(name))}"
            changed = _replaced(program, index, factor, form, name)
            found.append((error, (ChangeKind.STAND_IN, what, changed)))
    return simpler(program, [change for _, change in heapq.nsmallest(_MOST, found, key=lambda f: f[0])])


def _near(
    program: Program, index: int, recordings: Sequence[Recording]
) -> Iterator[tuple[float, float, Form | None, str]]:
    """Forms that are nearly a statement's value: what is left, the factor, the form, of what."""
    before = [s.target for s in program.statements[:index]]
    target = program.statements[index].target
    values = _side_by_side(recordings, target)
    sizes = np.sqrt(np.mean(values**2, axis=1, keepdims=True))
    if not (np.isfinite(values).all() and (sizes > 0).all()):
        return
    scaled = values / sizes  # each record counts alike, however large the values are then
    candidates: list[tuple[Form | None, str]] = [(None, "")]
    candidates += [(form, name) for name in (*program.inputs, *before) for form in FORMS]
    for form, name in candidates:
        basis = np.ones_like(values) if form is None else _basis(form, _side_by_side(recordings, name))
        with np.errstate(all="ignore"):
            basis = basis / sizes
            factor = float(np.sum(scaled * basis) / np.sum(basis * basis))
            error = float(np.sqrt(np.mean((scaled - factor * basis) ** 2)))
        if np.isfinite(factor) and factor and error <= NEAR:
            yield error, float(f"{factor:.{_DIGITS}g}"), form, name


def _side_by_side(recordings: Sequence[Recording], name: str) -> np.ndarray:
    """The values ``[records, weights]`` on all tasks; of each as many weights as the smallest has."""
    width = min(recording[name].shape[1] for recording in recordings)
    return np.concatenate([recording[name][:, :width] for recording in recordings])


def _basis(form: Form, x: np.ndarray) -> np.ndarray:
    value = x
    with np.errstate(all="ignore"):
        for function in form.functions:
            value = _BASES[function](value, x)
    return value


def _written(factor: float, form: Form | None, inner: str) -> str:
    if form is None:
        return f"{factor:g}"
    text = form.text.format(inner)
    return text if factor == 1 else f"{factor:g} * {text}"


def _replaced(program: Program, index: int, factor: float, form: Form | None, name: str) -> Program:
    """The program with a form in the place of a statement."""
    own, before, after = (
        program.statements[index],
        program.statements[:index],
        program.statements[index + 1 :],
    )
    if form is None:
        values: dict[str, Argument] = {own.target: factor}
        outputs = args_with(program.outputs, values)
        return replace(program, statements=(*before, *with_values(after, values)), outputs=outputs)
    body, value = [], name
    for position, function in enumerate(form.functions):
        target = f"{own.target} {position}"
        args = (value, name) if function == "*" else (value,)
        body.append(Statement(target, "multiply" if function == "*" else function, args))
        value = target
    body.append(Statement(own.target, "multiply", (value, factor)))
    return replace(program, statements=(*before, *body, *after))

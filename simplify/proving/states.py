"""Changes of state that may make a program simpler: found here, proved in :mod:`changes`.

Four things a program may do with a state more simply, each with a program that does not:

- *stored after*: ``m`` is only read as ``sqrt(m)``; then ``sqrt(m)`` may be stored at once;
- *stored before*: ``m`` is written as ``cube(x)``; then ``x`` may be stored, and cubed where it is read;
- *derived*: ``v`` is always ``m * 2`` (seen in numbers, on random inputs); then ``m`` alone is enough;
- *stored as* a multiple: ``m = m * 0.9 + g`` is read as ``m * 0.1``; as ``m * 0.1`` it would be an average.

None of these is sure: a state may be read elsewhere, numbers may agree by chance. They are cheap to find, and
what is wrong is not proved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.errors import ProgramError
from lion_search.dsl.functions import EPSILON, FUNCTIONS
from lion_search.dsl.program import (
    GRADIENT,
    Argument,
    Program,
    Statement,
    args_with,
    inlined,
    with_values,
)
from lion_search.dsl.types import check
from lion_search.simplify.equality.rewriting import LONG
from lion_search.simplify.proving.changes import StateChange, source_name
from lion_search.simplify.proving.storage import stored

_SHAPES = ((5,), (3, 2))
_NUM_STEPS = 6
_MOST_FACTORS = 8
_READ, _WRITTEN = "state.read", "state.written"
"""What is computed from a stored state, and what is stored."""


def proposals(program: Program) -> Iterator[StateChange]:
    """Changes of state that may make a checked program simpler, the most promising first; none is proved."""
    return (change for change in _proposals(_single_assignment(program)) if _is_valid(change.new))


def _proposals(program: Program) -> Iterator[StateChange]:
    for state in program.states:
        yield from _stored_after(program, state)
        yield from _stored_before(program, state)
    yield from _derived(program)
    for state in program.states:
        for factor in _factors(program, state):
            read = Statement(_READ, "multiply", (state, 1 / factor))
            write = Statement(_WRITTEN, "multiply", (state, factor))
            yield _stored(program, state, read, write, f"stored as {state} * {factor:.6g}")


def _is_valid(program: Program) -> bool:
    """Not so if a state is now read where a scalar is wanted: states are trees."""
    try:
        check(program)
    except ProgramError:
        return False
    return True


def _single_assignment(program: Program) -> Program:
    """The program with no variable assigned twice and no value computed twice."""
    body, outputs = inlined(program, "y.", {})
    first: dict[tuple[str, tuple[Argument, ...]], str] = {}
    names: dict[str, Argument] = {}
    for s in body:
        names[s.target] = first.setdefault((s.function, args_with(s.args, names)), s.target)
    kept = [s for s in body if names[s.target] == s.target]
    return Program(program.states, with_values(kept, names), args_with(outputs, names))


def _stored(
    program: Program, state: str, read: Statement, write: Statement | Argument, name: str
) -> StateChange:
    """The state in another form (:func:`stored`); how it is read is the map to the program as it was."""
    new = stored(program, state, read, write)
    own = replace(read, target=state, args=args_with(read.args, {state: source_name(state)}))
    return StateChange(name, new, program, (*_unchanged(program, state), own), new)


def _stored_after(program: Program, state: str) -> Iterator[StateChange]:
    """A state that is only read through one function may be stored on the function's other side."""
    readers = [s for s in program.statements if state in s.args]
    if len(readers) != 1 or not _is_unary(readers[0]) or state in program.outputs:
        return
    (reader,) = readers
    at = 1 + program.states.index(state)
    names = {reader.target: state}
    body = [*with_values((s for s in program.statements if s is not reader), names)]
    outputs = list(args_with(program.outputs, names))
    body.append(Statement(_WRITTEN, reader.function, args_with(reader.args, {state: outputs[at]})))
    outputs[at] = _WRITTEN
    new = Program(program.states, tuple(body), tuple(outputs))
    own = Statement(state, reader.function, args_with(reader.args, {state: source_name(state)}))
    mapping = (*_unchanged(program, state), own)
    yield StateChange(f"stored after: {reader.function}({state})", program, new, mapping, new)


def _stored_before(program: Program, state: str) -> Iterator[StateChange]:
    """A state that is written by one function may be stored before it, and read through it."""
    new = program.outputs[1 + program.states.index(state)]
    writer = next((s for s in program.statements if s.target == new), None)
    if writer is not None and _is_unary(writer):
        (inside,) = (a for a in writer.args if isinstance(a, str))
        if inside not in program.inputs:
            read = Statement(_READ, writer.function, args_with(writer.args, {inside: state}))
            yield _stored(program, state, read, inside, f"stored before: {writer.function} of {state}")


def _is_unary(statement: Statement) -> bool:
    return sum(isinstance(a, str) for a in statement.args) == 1


def _factors(program: Program, state: str) -> list[float]:
    """Factors for a state, by which constants beside it go or its new value becomes an average."""
    if len(program.statements) >= LONG:
        return []
    found: dict[float, None] = {}
    form = _linear_forms(program).get(program.outputs[1 + program.states.index(state)], {})
    own = form.get(state, 0.0)
    for value, factor in form.items():
        if value != state and factor:
            found[(1 - own) / factor if own != 1 else 1 / factor] = None
    for reader in program.statements:
        if state in reader.args and _is_unary(reader):
            found |= dict.fromkeys(_factors_of_reader(program, reader))
    return [f for f in found if 1e-6 < abs(f) < 1e6 and f != 1][:_MOST_FACTORS]


def _factors_of_reader(program: Program, reader: Statement) -> list[float]:
    """The constants that a state is multiplied with, at once or behind a power.

    Of a function of degree d, what becomes the factor c of f(x) is the factor c^(1/d) of x.
    """
    if reader.function in ("multiply", "divide"):
        return [_factor_of(reader)]
    row = FUNCTIONS[reader.function]
    degree = row.properties.degrees[0] if row.arity == 1 and row.elementwise and row.properties.degrees else 0
    if degree <= 0:
        return []
    behind = [s for s in program.statements if reader.target in s.args and _is_unary(s)]
    return [abs(_factor_of(s)) ** (1 / degree) for s in behind if s.function in ("multiply", "divide")]


def _factor_of(statement: Statement) -> float:
    """The constant factor of a product, or of a quotient by a constant; 0 if there is none."""
    x, y = statement.args
    if statement.function == "divide":
        return 1 / (y + EPSILON) if isinstance(y, float) and y + EPSILON else 0.0
    return y if isinstance(y, float) else x if isinstance(x, float) else 0.0


def _linear_forms(program: Program) -> Mapping[Argument, Mapping[Argument, float]]:
    """Each value as a sum of others times constants, as far as one can see."""
    forms: dict[Argument, Mapping[Argument, float]] = {}

    def terms(*scaled: tuple[Argument, float]) -> Mapping[Argument, float]:
        result: dict[Argument, float] = {}
        for value, factor in scaled:
            for name, own in forms.get(value, {value: 1.0}).items():
                result[name] = result.get(name, 0.0) + factor * own
        return result

    for s in program.statements:
        match s.function, s.args:
            case "add", (x, y):
                forms[s.target] = terms((x, 1.0), (y, 1.0))
            case "subtract", (x, y):
                forms[s.target] = terms((x, 1.0), (y, -1.0))
            case "negative", (x,):
                forms[s.target] = terms((x, -1.0))
            case "interp", (x, y, float(a)):
                forms[s.target] = terms((x, 1 - a), (y, a))
            case ("multiply", (str(x), float()) | (float(), str(x))) | ("divide", (str(x), float())):
                forms[s.target] = terms((x, _factor_of(s)))
    return forms


def _derived(program: Program) -> Iterator[StateChange]:
    """States that, in numbers, are zero, or a multiple or a function of another state."""
    if not program.states:
        return
    values = _trajectories(program)
    for i, state in enumerate(program.states):
        if not np.any(values[i]):
            yield _without(program, state, (Statement(state, "multiply", (GRADIENT, 0.0)),))
        for j, other in enumerate(program.states):
            if i != j and np.all(np.isfinite(values[[i, j]])) and np.any(values[j]):
                yield from _as_function(program, state, other, values[i], values[j])


def _as_function(
    program: Program, state: str, other: str, y: np.ndarray, x: np.ndarray
) -> Iterator[StateChange]:
    """The state ``y`` as a function of the other, ``x``, if some function fits."""
    source = source_name(other)
    forms: list[tuple[tuple[Statement, ...], np.ndarray]] = [((), x)]
    functions = [f for f in FUNCTIONS.values() if f.arity == 1 and f.elementwise and f.properties.zero_if]
    with np.errstate(all="ignore"):
        forms += [((Statement(state, f.name, (source,)),), f.meaning(np, x)) for f in functions]
        factors = [np.sum(value * y) / np.sum(value * value) for _, value in forms]
    for (first, value), factor in zip(forms, factors, strict=True):
        fits = np.isfinite(factor) and factor != 0
        if fits and np.allclose(factor * value, y, rtol=1e-6, atol=1e-9 * np.abs(y).max()):
            last = Statement(state, "multiply", (state if first else source, float(f"{factor:.9g}")))
            yield _without(program, state, (*first, last))
            return


def _without(program: Program, state: str, mapping: tuple[Statement, ...]) -> StateChange:
    """The state is computed from others."""
    at = program.states.index(state)
    states = tuple(s for s in program.states if s != state)
    names: dict[str, Argument] = {source_name(s): s for s in states}
    new = Program(
        states,
        (*with_values(mapping, names), *program.statements),
        (*program.outputs[: at + 1], *program.outputs[at + 2 :]),
    )
    return StateChange(f"derived: {state}", new, program, (*_unchanged(program, state), *mapping), new)


def _trajectories(program: Program) -> np.ndarray:
    """The states on random inputs, ``[states, steps, numbers]``."""
    rng = np.random.default_rng(11)
    domain = ArrayDomain(np, _SHAPES, np.float64)
    states: tuple[tuple[np.ndarray, ...], ...] = ((*(np.zeros(s) for s in _SHAPES),),) * len(program.states)
    found = []
    with np.errstate(all="ignore"):
        for lr in np.linspace(1.0, 0.1, _NUM_STEPS):
            w, g = (tuple(rng.normal(size=s) for s in _SHAPES) for _ in range(2))
            _, states = step(program, domain, w, g, states, float(lr))
            found.append([np.concatenate([np.ravel(leaf) for leaf in state]) for state in states])
    return np.moveaxis(np.array(found), 0, 1)


def _unchanged(program: Program, but: str) -> list[Statement]:
    """The part of a map that leaves all states but one as they are."""
    return [Statement(s, "multiply", (source_name(s), 1.0)) for s in program.states if s != but]

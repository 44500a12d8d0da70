"""Functions tried on numbers: whether a row does what it says.

A user's own row goes through these trials when it is loaded (:func:`load_tried`) and, before programs are
trained or exported, in JAX (:func:`jax_fault`); the tests put the shipped rows through the same ones. A
fault is a line that names what does not hold and the numbers where it does not.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from lion_search.dsl import functions
from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.claims import Claim, claims
from lion_search.dsl.errors import LionSearchError, ProgramError
from lion_search.dsl.export.about import About
from lion_search.dsl.export.exports import EXPORTS
from lion_search.dsl.functions import Function, Type
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse

SHAPES = ((3, 4), (7,))
"""Of the arrays of a tree that functions are tried on."""
_EXACT = 1e-9
_FLOAT32 = 1e-3
"""Relative: far above rounding in float32, far below another formula."""


class FunctionFaultError(LionSearchError):
    """A user's own function that does not do what its row says."""


def load_tried(reference: str) -> Function:
    """Loads a user's own row, ``module:name``, tries it on numbers, and adds it to the language.

    Raises:
        UserCodeError: there is no such module or name.
        FunctionFaultError: it is no :class:`Function`, cannot be added, or does not do what its row says.
    """
    known = functions.own_functions()
    try:
        row = functions.load_function(reference)
    except ProgramError as error:
        raise FunctionFaultError(f"function '{reference}': {error.message}") from error
    if row not in known and (fault := numpy_fault(row)) is not None:
        functions.forget_function(row.name)
        raise FunctionFaultError(f"function '{row.name}' ({reference}): {fault}")
    return row


def try_in_jax() -> None:
    """Tries all of the user's own functions in JAX, which is imported if there are any.

    Raises:
        FunctionFaultError: one does not do there what its row says.
    """
    for row in functions.own_functions():
        if (fault := jax_fault(row)) is not None:
            raise FunctionFaultError(f"function '{row.name}' of your own: {fault}")


def numpy_fault(row: Function) -> str | None:
    """What is wrong with a row whose meaning is tried in NumPy; ``None`` if it is what it says."""
    return _first(lambda: itertools.chain(_form(row), _values(row), _structure(row), _stated(row)))


@cache
def jax_fault(row: Function) -> str | None:
    """What is wrong with a row in JAX, under ``jit`` and in the code of each export; ``None`` if nothing is.

    A target for which it has no code is left out.
    """
    return _first(lambda: _in_jax(row))


def sample(row: Function) -> list[float]:
    """What a row makes of fixed numbers: its meaning, as far as numbers can tell."""
    value = _apply(row, _arguments(row.parameters, np.float64), np.float64)
    return [float(x) for x in _flat(value)]


def _first(trials: Callable[[], Iterator[str]]) -> str | None:
    try:
        with np.errstate(all="ignore"):
            return next(trials(), None)
    except LionSearchError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 -- whatever a user's function does
        reason = (str(error).splitlines() or [""])[0]
        return f"it raises {type(error).__name__} when it is tried on numbers: {reason}"


# ---- Its meaning, in NumPy.


def _form(row: Function) -> Iterator[str]:
    cost: Any = row.cost
    if not isinstance(cost, int | float) or not 0 <= cost < math.inf:
        yield f"its cost is {cost!r}, expected a finite number from 0"


def _values(row: Function) -> Iterator[str]:
    """Shapes and kinds of numbers for all types of arguments, and whether it is a function at all."""
    for types in _type_tuples(row):
        args = _arguments(types, np.float64)
        before = copy.deepcopy(args)
        value, again = _apply(row, args, np.float64), _apply(row, args, np.float64)
        given = f"given {' and '.join(t.name.lower() for t in types)}" if types else "its value"
        found, expected = _shapes(value), _expected_shapes(row.result_type(types))
        if found != expected:
            yield f"{given} it gives shapes {found}, expected {expected} for arrays of shapes {SHAPES}"
        if (kind := next((np.asarray(a).dtype for a in _leaves(value) if _kind(a) != "f"), None)) is not None:
            yield f"{given} it gives numbers of type {kind}, expected floating-point ones"
        if (at := _where(_flat(again), _flat(value), 0.0)) is not None:
            yield f"it gives {_flat(value)[at]:.6g} and then {_flat(again)[at]:.6g} for the same arguments"
        if any((_flat(a) != _flat(b)).any() for a, b in zip(args, before, strict=True)):
            yield "it changes its arguments in place"


def _structure(row: Function) -> Iterator[str]:
    """Whether it looks at no more than its row says: at one number, or at one array."""
    args = _arguments(row.parameters, np.float64)
    value = _apply(row, args, np.float64)
    if row.elementwise and row.arity:
        columns = [_flat(a) if isinstance(a, tuple) else np.full(_SIZE, a) for a in args]
        alone = np.asarray(
            [row.meaning(np, *map(np.float64, numbers)) for numbers in zip(*columns, strict=True)]
        )
        if (at := _where(_flat(value), alone, _EXACT)) is not None:
            yield (
                f"it is elementwise by its row (result None), but {_call(row, args, at)} is {alone[at]:.6g} "
                f"alone and {_flat(value)[at]:.6g} among others"
            )
    elif row.result is not Type.SCALAR and not row.mixes_arrays:
        for index, shape in enumerate(SHAPES):
            own = [a[index : index + 1] if isinstance(a, tuple) else a for a in args]
            alone = _flat(ArrayDomain(np, (shape,), np.float64).apply(row, own, 0))
            if _where(_flat(value[index]), alone, _EXACT) is not None:
                yield "it looks across arrays: say so with mixes_arrays=True, a result of type TREE"


def _stated(row: Function) -> Iterator[str]:
    """What the row states of itself."""
    for claim in claims(row):
        if (fault := _broken(row, claim)) is not None:
            yield fault


def _broken(row: Function, claim: Claim) -> str | None:
    both = np.isfinite(claim.found) & np.isfinite(claim.expected)
    if not both.any():
        return f"{claim.name} does not hold: it is finite nowhere"
    wrong = both & ~np.isclose(claim.found, claim.expected, rtol=1e-4, atol=1e-8)
    if not wrong.any():
        return None
    at = int(np.argmax(wrong))
    numbers = ", ".join(f"{np.ravel(a)[at]:.6g}" for a in claim.points)
    found, expected = np.ravel(claim.found)[at], np.ravel(claim.expected)[at]
    return f"{claim.name} does not hold at {row.name}({numbers}): found {found:.6g}, expected {expected:.6g}"


# ---- In JAX.


def _in_jax(row: Function) -> Iterator[str]:
    """Its meaning under ``jit``, and programs written for each export and run as anybody's: compiled once."""
    import jax
    import jax.numpy as jnp

    trials = [(types, _program(row, types)) for types in _type_tuples(row)]
    texts = list(_texts(program for _, program in trials))
    weights, gradient = _tree(1, np.float32), _tree(0, np.float32)

    @jax.jit
    def run(weights: Any, gradient: Any) -> Any:
        domain = ArrayDomain(jnp, SHAPES, jnp.float32)
        meanings = [step(p, domain, weights, gradient, (), _LR)[0] for _, p in trials]
        return meanings, [
            first_update(text, "tried", weights, gradient) for _, first_update, _, text in texts
        ]

    meanings, exported = run(weights, gradient)
    domain = ArrayDomain(np, SHAPES, np.float32)
    expected = [step(p, domain, weights, gradient, (), _LR)[0] for _, p in trials]
    for (types, _), found, value in zip(trials, meanings, expected, strict=True):
        if (kind := next((a.dtype for a in found if a.dtype != np.float32), None)) is not None:
            yield f"under jax.jit it gives numbers of type {kind}, expected float32"
        yield from _differs("under jax.jit it", row, types, found, value)
    for (name, _, index, _), found in zip(texts, exported, strict=True):
        what = f"its code for the export to {name}"
        yield from _differs(what, row, trials[index][0], found, expected[index])


def _texts(programs: Iterable[Program]) -> Iterator[tuple[str, Callable[..., Any], int, str]]:
    """Export, how it is run, number of the program and text, where JAX can run it and there is code."""
    for (index, program), export in itertools.product(enumerate(programs), EXPORTS.values()):
        if export.first_update is not None:
            with contextlib.suppress(ProgramError):
                text = export.write(program, About("tried", "A trial"))
                yield export.name, export.first_update, index, text


def _differs(what: str, row: Function, types: Sequence[Type], found: Any, expected: Any) -> Iterator[str]:
    found, expected = _flat(found), _flat(expected)
    if (at := _where(found, expected, _FLOAT32)) is not None:
        trees = [_tree(i, np.float32) if t is Type.TREE else None for i, t in enumerate(types)]
        call = _call(row, trees, at)
        yield f"{what} gives {found[at]:.6g} for {call}, its meaning in NumPy {expected[at]:.6g}"


# ---- Numbers, programs and how they are told.

_SIZE = sum(math.prod(shape) for shape in SHAPES)
_LR = 1.0
_SPECIAL = (0.0, 1.0, -1.0, 0.5, -2.0)


def _tree(position: int, dtype: Any) -> tuple[Any, ...]:
    """The argument at a position: numbers of both signs that no formula is likely to be made for."""
    numbers = 3 * np.sin(1.7 * np.arange(_SIZE) + position)
    numbers[position : 5 + position] = _SPECIAL
    flat, ends = numbers.astype(np.float32).astype(dtype), np.cumsum([math.prod(s) for s in SHAPES])
    return tuple(part.reshape(s) for part, s in zip(np.split(flat, ends[:-1]), SHAPES, strict=True))


def _arguments(types: Sequence[Type], dtype: Any) -> list[Any]:
    values: list[Any] = []
    for position, type_ in enumerate(types):
        tree = _tree(position, dtype)
        numbers = tuple(np.asarray(np.sum(a), dtype) for a in tree)
        values.append({Type.TREE: tree, Type.PER_ARRAY: numbers, Type.SCALAR: np.asarray(0.75, dtype)}[type_])
    return values


def _type_tuples(row: Function) -> Iterator[tuple[Type, ...]]:
    """All types that its arguments may have, from the widest."""
    return itertools.product(*(sorted((t for t in Type if t <= p), reverse=True) for p in row.parameters))


def _apply(row: Function, args: Sequence[Any], dtype: Any) -> Any:
    return ArrayDomain(np, SHAPES, dtype).apply(row, args, 0)


def _program(row: Function, types: Sequence[Type]) -> Program:
    """A program whose update is a function of arguments of some types, made of trees 0 and 1."""
    make = {Type.TREE: "{}", Type.PER_ARRAY: "norm({})", Type.SCALAR: "global_norm({})"}
    args = ", ".join(make[t].format("gw"[position % 2]) for position, t in enumerate(types))
    return parse(f"def train(w, g, lr):\n    update = {row.name}({args})\n    return update\n")


def _call(row: Function, args: Sequence[Any], at: int) -> str:
    """The call that gives the number at a place, with its arguments where each number has its own."""
    if row.elementwise and all(isinstance(a, tuple) for a in args):
        return f"{row.name}({', '.join(f'{_flat(a)[at]:.6g}' for a in args)})"
    kinds = ("number" if a is None or not isinstance(a, tuple) else "tree" for a in args)
    return f"{row.name}({', '.join(kinds)})"


def _leaves(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _flat(value: Any) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(leaf)) for leaf in _leaves(value)])


def _kind(leaf: Any) -> str:
    return np.asarray(leaf).dtype.kind


def _shapes(value: Any) -> Any:
    return tuple(np.shape(leaf) for leaf in value) if isinstance(value, tuple) else np.shape(value)


def _expected_shapes(type_: Type) -> Any:
    return {Type.SCALAR: (), Type.PER_ARRAY: ((),) * len(SHAPES), Type.TREE: SHAPES}[type_]


def _where(found: np.ndarray, expected: np.ndarray, tolerance: float) -> int | None:
    """The first place where numbers differ by more than a share, or only one of both is finite."""
    size = np.maximum(np.abs(found), np.abs(expected))
    finite = np.isfinite(found) & np.isfinite(expected)
    far = np.where(finite, np.abs(found - expected) > tolerance * (size + 1e-3), False)
    wrong = far | (np.isfinite(found) != np.isfinite(expected))
    return int(np.argmax(wrong)) if wrong.any() else None

"""A second, numeric key: what a program does on fixed inputs.

Programs that the functional hash holds apart often compute the same. The fingerprint runs a few steps in
float64 on fixed probes. Of a few numbers it keeps about four digits of the update (constants that were folded
and rounded to float32 move them in the seventh, and no number may stand on an edge) and where float32, in
which programs are trained, gives zero, infinity or NaN.
Of many more, the *crowd*, it keeps the sign and the power of two alone. Few numbers do not show a difference
that a discontinuous or saturating function lets through only where its argument is near an edge, as the sign
of one average or another; of many some are always near it. Coarse as it is, rounding moves hardly any of
them. Equal fingerprints are strong evidence, not proof: it is for merging within one run, and whoever matters
in the end is evaluated itself.

The probes: weights and gradients recorded in a training on real images (``scripts/record_probes.py``),
in some steps gradients of all scales from 1e-8 to 1e4, exact zeros, an array that never gets a gradient, a
0-d array, and a schedule that falls to 0. The gradients of the crowd differ in sign and size from step to
step, so that in some the last one outweighs all before it by any factor. The weights do not follow the
program's updates, so that errors do not grow.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from lion_search.dsl.execute import execute
from lion_search.dsl.functions import Function, Type
from lion_search.dsl.program import GRADIENT, LEARNING_RATE, WEIGHTS, Program

SHAPES = ((4, 3), (6,), (3,), ())
"""The arrays of which digits are kept."""
CROWD = (1024, 1024)
"""The arrays of the crowd, a tree of its own: in one with the others it would outweigh them in every norm."""
DECADES = 1.0
"""The crowd's gradients are up to so many powers of ten larger or smaller than those of a training."""
SCHEDULE = (1.0, 0.8, 0.5, 0.31, 0.004, 0.0)
SPREAD = (False, True, False, False, True, False)
"""Steps whose gradients are of all scales. In the others they are as large as in training: what is summed
over all numbers would otherwise always be huge, and bounded functions of it always the same."""
_MANTISSA_BITS = 13
_OFF_POWERS = 1.2345
"""Before the crowd's powers of two are read: 1, 0.5 and 2 are values that many programs compute."""
_SIGN_AND_EXPONENT = 52
"""The highest bits of a float64, from this one on."""


class _Layout:
    """Where the arrays of a tree lie in one vector."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.num_arrays = len(sizes)
        self.num_numbers = sum(sizes)
        self.splits = np.cumsum(sizes)[:-1]
        self.array_of = np.repeat(np.arange(len(sizes)), sizes)
        """For each number its array."""

    def flat(self, value: Any) -> np.ndarray:
        """A value of any type as one number for each of the tree's."""
        spread = value[self.array_of] if value.size == self.num_arrays else value
        return np.broadcast_to(spread, self.num_numbers)


_FEW = _Layout([math.prod(shape) for shape in SHAPES])
_CROWD = _Layout(CROWD)


def fingerprint(program: Program) -> str:
    """The fingerprint of a checked program, 32 hexadecimal digits; takes about half a millisecond."""
    digest = hashlib.blake2b(digest_size=16)
    with np.errstate(all="ignore"):
        update = _updates(program, np.float64, _FEW)
        mantissas, exponents = np.frexp(update)
        rounded = np.round(np.nan_to_num(mantissas, nan=3, posinf=4, neginf=5) * 2**_MANTISSA_BITS)
        # A mantissa that rounds up to 1 is 0.5 with the next exponent; NaN and infinity have none.
        carried = rounded == 2**_MANTISSA_BITS
        exponents = np.where(np.isfinite(update), exponents + carried, 0)
        digest.update(np.where(carried, 2 ** (_MANTISSA_BITS - 1), rounded).astype(np.int32).tobytes())
        digest.update(exponents.astype(np.int16).tobytes())
        update = _updates(program, np.float32, _FEW)
        digest.update(np.stack([update == 0, np.isinf(update), np.isnan(update)]).tobytes())
        update = _updates(program, np.float64, _CROWD) * _OFF_POWERS + 0.0  # no minus zero
        update[np.isnan(update)] = np.nan  # one of many
        digest.update((update.view(np.int64) >> _SIGN_AND_EXPONENT).astype(np.int16).tobytes())
    return digest.hexdigest()


class _FlatDomain:
    """Trees as one vector, one number per array as a short vector: a quarter of the calls of NumPy."""

    def __init__(self, dtype: Any, layout: _Layout) -> None:
        self._dtype = dtype
        self._layout = layout

    def constant(self, value: float) -> Any:
        return np.asarray(value, self._dtype)

    def apply(self, function: Function, args: Sequence[Any], index: int) -> Any:
        del index
        layout = self._layout
        if function.result is None:
            if any(a.size == layout.num_numbers for a in args):
                args = [a[layout.array_of] if a.size == layout.num_arrays else a for a in args]
            return function.meaning(np, *args)
        cast = [
            tuple(np.split(layout.flat(a), layout.splits)) if wanted is Type.TREE else a
            for a, wanted in zip(args, function.parameters, strict=True)
        ]
        result = function.meaning(np, *cast)
        if not isinstance(result, tuple):
            return np.asarray(result, self._dtype)
        return np.concatenate([np.reshape(r, -1) for r in result])


def _updates(program: Program, dtype: Any, layout: _Layout) -> np.ndarray:
    """The update of each step, flat: ``[steps, numbers]``."""
    domain = _FlatDomain(dtype, layout)
    states = [np.zeros(layout.num_numbers, dtype)] * len(program.states)
    updates = np.empty((len(SCHEDULE), layout.num_numbers), dtype)
    for row, w, g, lr in zip(updates, *_probes(layout, dtype), SCHEDULE, strict=True):
        inputs = {WEIGHTS: w, GRADIENT: g, LEARNING_RATE: np.asarray(lr, dtype)}
        inputs.update(zip(program.states, states, strict=True))
        update, *states = map(layout.flat, execute(program, domain, inputs))
        row[:] = update
    return updates


@cache
def _probes(layout: _Layout, dtype: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and gradients for each step, flat."""
    weights, gradients = _few() if layout is _FEW else _crowd()
    return [w.astype(dtype) for w in weights], [g.astype(dtype) for g in gradients]


def _few() -> tuple[list[np.ndarray], list[np.ndarray]]:
    path = resources.files("lion_search.dsl.equivalence") / "fingerprint_probes.json"
    recorded = json.loads(path.read_text(encoding="utf-8"))
    rng = np.random.default_rng(20230213)
    weights, gradients = [], []
    for index in range(len(SCHEDULE)):
        w = [rng.normal(0, 0.3, shape) for shape in SHAPES]
        g = [rng.normal(0, 1, shape) for shape in SHAPES]
        row = index % len(recorded["weights"])
        w[0] = np.reshape(recorded["weights"][row], SHAPES[0])
        g[0] = np.reshape(recorded["gradients"][row], SHAPES[0])
        g[1] *= 10.0 ** (np.array([-8, -6, -3, 0, 2, 4]) if SPREAD[index] else np.full(6, -2.0))
        g[1][index % 6] = 0.0  # exact zeros, elsewhere at each step
        g[3] = g[3] * (1.0 if SPREAD[index] else 0.01)
        g[2] = np.zeros(3)  # never gets a gradient
        w[1][0], w[2][0] = 0.0, 1.0
        weights.append(np.concatenate([np.reshape(a, -1) for a in w]))
        gradients.append(np.concatenate([np.reshape(a, -1) for a in g]))
    return weights, gradients


def _crowd() -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(20230213)
    weights, gradients = [], []
    for _ in SCHEDULE:
        # As large as the gradients, many of them: a difference of both changes its sign somewhere.
        weights.append(rng.normal(0, 0.3, sum(CROWD)) * 10.0 ** rng.uniform(-2 * DECADES, 0, sum(CROWD)))
        gradients.append(rng.normal(0, 0.01, sum(CROWD)) * 10.0 ** rng.uniform(-DECADES, DECADES, sum(CROWD)))
    return weights, gradients

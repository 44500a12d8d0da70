"""Whether a loss takes each example with each other one, where it should be a mean over examples.

Labels ``[n, 1]`` beside predictions ``[n]`` are broadcast to ``[n, n]``, and a network learns nothing from
that but the mean. It is seen in the shapes of a trace, for a number of examples that nothing else has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax


def pairs_by_broadcasting(jaxpr: Any, size: int) -> bool:
    """Whether a trace has an array with two axes of a size that no product of matrices has made.

    Losses that compare examples on purpose, contrastive ones, do so by such a product.

    Args:
        jaxpr: of the loss.
        size: the number of examples, and of nothing else.
    """
    made_by = {equation.primitive.name for equation in _equations(jaxpr) if _makes_pairs(equation, size)}
    return bool(made_by) and "dot_general" not in made_by


def _makes_pairs(equation: Any, size: int) -> bool:
    def has_pairs(variable: Any) -> bool:
        return getattr(variable.aval, "shape", ()).count(size) > 1

    made = any(map(has_pairs, equation.outvars)) and not any(map(has_pairs, equation.invars))
    return made and equation.primitive.name != "iota"


def _equations(jaxpr: Any) -> Iterator[Any]:
    """The equations of a trace, those of functions within it included, and not the calls of these."""
    for equation in jaxpr.eqns:
        inner = [
            getattr(value, "jaxpr", value)
            for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns"))
            if hasattr(getattr(value, "jaxpr", value), "eqns")
        ]
        if not inner:
            yield equation
        for own in inner:
            yield from _equations(own)

"""A change of state, and the proof that it changes no update.

Two programs may give the same updates and yet store different things. One keeps the average ``m`` of the
gradients, the other ten times that, ``s``, and divides where it reads it. No rule about values shows that
they agree, since ``m`` and ``s`` do not. What shows it is a *map* from the states of the one to those of the
other, here ``m = s * 0.1``, and an induction over steps:

- at the start, when all states are zero, the map gives zero for zero;
- if the map holds before a step, both programs compute the same update in it, and the map holds after it.

The program whose states the map reads is the *source*, the one whose states it gives the *image*. Both
programs and the map go into one e-graph, and the second condition is that pairs of values are in one class.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from lion_search.dsl.arrays import ArrayDomain
from lion_search.dsl.execute import execute
from lion_search.dsl.program import Program, Statement, inlined
from lion_search.simplify.equality.egraph import Engine, RewriteLimits
from lion_search.simplify.equality.rewriting import egraph
from lion_search.simplify.equality.rules import Kind

_SHAPES = ((5,), (3, 2))


@dataclass(frozen=True, slots=True)
class StateChange:
    """Two programs, and how the states of one follow from those of the other.

    Attributes:
        name: what is done to which state, for people.
        source: the program whose states determine the other's.
        image: the other.
        mapping: statements that assign each state of the image by its name; a state of the source is called
            by its name with ``.source`` added (:func:`source_name`).
        new: which of the two is the new program.
    """

    name: str
    source: Program
    image: Program
    mapping: tuple[Statement, ...]
    new: Program


def source_name(state: str) -> str:
    """What a map calls a state of the source."""
    return f"{state}.source"


def is_proved(
    change: StateChange, kinds: Collection[Kind], limits: RewriteLimits, engine: Engine | None = None
) -> bool:
    """Whether both programs are shown to give the same updates for ever.

    Args:
        change: two programs and a map.
        kinds: the kinds of rules that the proof may use.
        limits: when to give up.
        engine: with which rules; all of them by default.
    """
    return _keeps_zero(change) and _is_kept_by_a_step(change, kinds, limits, engine)


def _keeps_zero(change: StateChange) -> bool:
    """The induction's start: the map gives zeros for zeros."""
    mapping, domain = _map_of(change), ArrayDomain(np, _SHAPES, np.float64)
    zero = tuple(np.zeros(s) for s in _SHAPES)
    with np.errstate(all="ignore"):
        image = execute(mapping, domain, dict.fromkeys(mapping.inputs, zero))
    return all(np.all(leaf == 0) for value in image for leaf in domain.as_tree(value))


def _is_kept_by_a_step(
    change: StateChange, kinds: Collection[Kind], limits: RewriteLimits, engine: Engine | None
) -> bool:
    """The induction's step: source and image start from states that the map connects, and end so.

    One program holds it all: the image's old states from the source's by the map, one step of each, and the
    source's new states mapped. The image's update and new states have to equal the source's, mapped.
    """
    source, image, mapping = change.source, change.image, _map_of(change)
    old = {s: source_name(s) for s in source.states}
    before, images = inlined(mapping, "from.", {})
    source_step, source_outputs = inlined(source, "source.", old)
    image_step, image_outputs = inlined(image, "image.", dict(zip(image.states, images, strict=True)))
    new = dict(zip(old.values(), source_outputs[1:], strict=True))
    after, mapped = inlined(mapping, "to.", new)
    joint = Program(
        tuple(old.values()),
        (*before, *source_step, *image_step, *after),
        (*image_outputs, source_outputs[0], *mapped),
    )
    half = len(image_outputs)
    pairs = [(i, half + i) for i in range(half)]
    roots = egraph(joint, kinds, limits, engine, goals=pairs).roots
    return roots[:half] == roots[half:]


def _map_of(change: StateChange) -> Program:
    """The map as a program without an update of its own: all its outputs are states of the image."""
    return Program(tuple(map(source_name, change.source.states)), change.mapping, change.image.states)

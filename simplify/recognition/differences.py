"""In words, how a program differs from a known optimizer: what stands in the place of one of its values.

What a change does is told by numbers, not by how it is written: that it adds a multiple of the weights, or
sets to zero what has another sign than the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lion_search.dsl.program import GRADIENT, LEARNING_RATE
from lion_search.simplify.recognition.expressions import Expressions
from lion_search.simplify.recognition.matching import Edit, Match
from lion_search.simplify.recognition.program_graph import ProgramGraph
from lion_search.simplify.recognition.templates import Apply, Input

COUPLED, INDEPENDENT = "coupled weight decay", "independent weight decay"
DECAY_INSIDE = "weight decay inside"
ON, CAUTIOUS, FUNCTION, MONOTONE, EXTRA = "on", "cautious", "function", "monotone function", "extra"
"""Kinds of differences: where a multiple of the weights is added; another value for the gradient; a mask;
another function, one that is odd and never falls; anything else.
"""
_NUM_SAMPLES = 64
_SMALL = 1e-6


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a program differs from a known optimizer.

    Attributes:
        kind: a stable name: one of those above, or of those of the variations.
        words: the same for people, in the program's own names.
        value: of the constant it brings, such as a weight decay.
    """

    kind: str
    words: str
    value: float | None = None


def differences(match: Match, graph: ProgramGraph, expressions: Expressions) -> tuple[Difference, ...]:
    """What the edits of a match are, in the order of the template's values."""
    describe = _Describe(match, graph, expressions)
    ordered = sorted(match.edits, key=lambda edit: (edit.node, edit.replaces, edit.owner))
    return tuple(describe.difference(edit) for edit in ordered)


class _Describe:
    """Words for the edits of one match."""

    def __init__(self, match: Match, graph: ProgramGraph, expressions: Expressions) -> None:
        self._match, self._graph, self._expressions = match, graph, expressions
        self._nodes = match.template.nodes
        rng = np.random.default_rng(0)
        inputs = {name: rng.normal(size=_NUM_SAMPLES) for name in graph.form.inputs}
        self._samples = [{**inputs, LEARNING_RATE: np.full(_NUM_SAMPLES, lr)} for lr in (0.7, 0.3)]

    def difference(self, edit: Edit) -> Difference:
        """What one edit is."""
        text = self._expressions.text
        what, new = self._nodes[edit.node], text(edit.owner)
        if edit.replaces:
            assert isinstance(what, Apply)
            kind = MONOTONE if self._is_monotone(edit) else FUNCTION
            return Difference(kind, f"{new} in place of {what.function}({text(edit.inner)})")
        is_gradient = isinstance(what, Input) and what.name == GRADIENT and self._is_everywhere(edit)
        decay = self._decay(edit)
        if decay is not None:
            return self._of_decay(edit, decay, new, is_gradient=is_gradient)
        if is_gradient:
            return Difference(ON, f"on {new}")
        if self._is_cautious(edit):
            return Difference(CAUTIOUS, "cautious: zero where its sign is not the gradient's")
        where = "" if self._is_everywhere(edit) else " in one place"
        return Difference(EXTRA, f"{new} in place of {text(edit.inner)}{where}")

    def _of_decay(self, edit: Edit, decay: float, new: str, *, is_gradient: bool) -> Difference:
        if is_gradient:
            return Difference(COUPLED, f"on {new} ({COUPLED} {decay:.6g})", decay)
        if edit.node == self._match.template.outputs[0]:
            return Difference(INDEPENDENT, f"{INDEPENDENT} {decay:.6g}, not multiplied by lr", decay)
        old = self._expressions.text(edit.inner)
        return Difference(DECAY_INSIDE, f"weight decay {decay:.6g} inside, {new} in place of {old}", decay)

    def _is_everywhere(self, edit: Edit) -> bool:
        """Whether it stands wherever the template has that value."""
        return {owner for node, owner in self._match.uses if node == edit.node} == {edit.owner}

    def _decay(self, edit: Edit) -> float | None:
        """The factor of the weights if a multiple of them is added, whatever the learning rate."""
        shares = [
            (self._expressions.numbers(edit.owner, s) - self._expressions.numbers(edit.inner, s)) / s["w"]
            for s in self._samples
        ]
        share = float(shares[0][0])
        return share if _is_close(np.concatenate(shares), share) and abs(share) > 0 else None

    def _is_cautious(self, edit: Edit) -> bool:
        """Whether it is a multiple of the value where that has the gradient's sign, and else zero."""
        for sample in self._samples:
            new = self._expressions.numbers(edit.owner, sample)
            old = self._expressions.numbers(edit.inner, sample)
            agrees = old * sample["g"] > 0
            if not agrees.any() or agrees.all():
                return False
            factor = float(new[agrees][0] / old[agrees][0])
            if not (
                factor > 0 and _is_close(new[agrees] / old[agrees], factor) and _is_close(new[~agrees], 0)
            ):
                return False
        return True

    def _is_monotone(self, edit: Edit) -> bool:
        """Whether it is an odd function of the value alone that never falls."""
        grid = np.concatenate([-np.geomspace(1e-6, 10, 32)[::-1], np.geomspace(1e-6, 10, 32)])
        curve = self._expressions.function_of(edit.owner, edit.inner, grid)
        if not np.isfinite(curve).all():
            return False
        scale = float(np.abs(curve).max()) or 1.0
        falls = np.diff(curve).min() < -_SMALL * scale
        is_odd = np.allclose(curve, -curve[::-1], rtol=1e-3, atol=_SMALL * scale)
        return bool(not falls and is_odd and curve[-1] > curve[0])


def _is_close(values: np.ndarray, to: float) -> bool:
    return bool(np.isfinite(values).all() and np.allclose(values, to, rtol=_SMALL, atol=1e-9))

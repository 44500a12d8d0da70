"""Rewriting: which forms it brings together, which it keeps apart, what it says when there is nothing."""

from __future__ import annotations

import pytest
from programs import train

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rewriting import ALL_KINDS, PROVED, rewrite

LIMITS = RewriteLimits(nodes=2_000, seconds=10)


def update(expression: str) -> Program:
    """A program without states."""
    return train(f": update = {expression}")


EQUAL = [
    ("interp(g, interp(g, w, 0.9), 1.1)", "interp(g, w, 0.99)"),
    ("g * 0.1 + w * 0.9", "interp(g, w, 0.9)"),
    ("sqrt(square(g))", "abs(g)"),
    ("sign(g * 3.0)", "sign(g)"),
    ("sign(tanh(sinh(g * 0.5)))", "sign(g)"),
    ("sign(clip(g, 0.5))", "sign(g)"),
    ("exp(log(g))", "abs(g)"),
    ("maximum(g, -g)", "abs(g)"),
    ("sign(g) * abs(g)", "g * 1.0"),
    ("(g + w) - w", "g * 1.0"),
    ("g * w + g * lr", "(w + lr) * g"),
    ("norm(g * -2.0) * w", "norm(g) * w * 2.0"),
    ("clip(clip(g, 0.5), 2.0)", "clip(g, 0.5)"),
    ("square(sin(g)) + square(cos(g))", "get_pi() / get_pi()"),
    ("abs(sqrt(g) + exp(w))", "sqrt(g) + exp(w)"),
    ("minimum(tanh(g), 2.0)", "tanh(g)"),
]


@pytest.mark.parametrize(("given", "expected"), EQUAL)
def test_rewriting_alone_brings_equals_together(given: str, expected: str) -> None:
    one, other = rewrite(update(given), limits=LIMITS), rewrite(update(expected), limits=LIMITS)
    assert format_program(one.normal) == format_program(other.normal)


ONLY_WITH_EPSILON = [
    ("g / abs(g)", "sign(g)"),
    ("g / sqrt(g * g)", "sign(g)"),
    ("1.0 / (1.0 / g)", "g * 1.0"),
]


@pytest.mark.parametrize(("given", "expected"), ONLY_WITH_EPSILON)
def test_epsilon_is_used_only_when_asked_for(given: str, expected: str) -> None:
    wanted = functional_hash(update(expected))
    assert functional_hash(rewrite(update(given), PROVED, LIMITS).after) != wanted
    assert functional_hash(rewrite(update(given), ALL_KINDS, LIMITS).after) == wanted


DIFFERENT = [
    ("sqrt(square(g))", "g * 1.0"),
    ("sign(clip(g, lr))", "sign(g)"),  # lr may be 0
    ("arcsin(sin(g))", "g * 1.0"),
    ("sign(g * lr)", "sign(g)"),
    ("interp(g, w, 0.9)", "interp(w, g, 0.9)"),
]


@pytest.mark.parametrize(("given", "expected"), DIFFERENT)
def test_what_is_not_equal_is_kept_apart(given: str, expected: str) -> None:
    one, other = (rewrite(update(text), ALL_KINDS, LIMITS) for text in (given, expected))
    assert functional_hash(one.normal) != functional_hash(other.normal)


def test_nothing_found_is_said_and_changes_nothing() -> None:
    found = rewrite(library_program("sgd"))
    assert not found.found
    assert found.after == canonicalise(library_program("sgd")).program()
    assert found.summary() == "nothing found"

"""The numeric key: what it merges, and what it must keep apart."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest
from dsl_programs import written

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.library import LIBRARY, library_program

SAME = [
    (("m", "m = interp(g, m, 0.9)", "update = m * lr"), ("m", "m = g * 0.1 + m * 0.9", "update = lr * m")),
    (("", "update = g * (w + lr)"), ("", "update = g * w + g * lr")),
    (("", "update = maximum(g, minimum(g, w))"), ("", "update = g * 1.0")),
    (("m", "m = m + g", "update = m"), ("m", "m = m - (0.0 - g)", "update = m")),
]


@pytest.mark.parametrize("index", range(4))
def test_programs_that_compute_the_same_share_it(index: int):
    one, other = (written(*text) for text in SAME[index])
    assert fingerprint(one) == fingerprint(other)


def test_it_merges_what_the_functional_hash_cannot():
    one, other = (written(*text) for text in SAME[0])
    assert functional_hash(one) != functional_hash(other)


DIFFERENT = [
    pytest.param(("", "update = g"), ("", "update = g * 1.001"), id="a constant, by a thousandth"),
    pytest.param(("", "update = g"), ("", "update = g * lr"), id="the schedule"),
    pytest.param(("", "update = sign(g)"), ("", "update = g / abs(g)"), id="gradients near 1e-8"),
    pytest.param(("", "update = cos(g)"), ("", "update = 1.0"), id="large gradients"),
    pytest.param(("", "update = cosine_sim(g, g)"), ("", "update = 1.0 - 0.001"), id="close to 1"),
    pytest.param(("", "update = norm(g)"), ("", "update = global_norm(g)"), id="each array or all"),
    pytest.param(
        ("m", "m = interp(g, m, 0.9)", "update = m"),
        ("m", "m = interp(g, m, 0.9)", "update = interp(g, m, 0.9)"),
        id="now or a step later",
    ),
    pytest.param(
        ("m", "m = m + 0.0", "update = g + m"), ("", "update = g * 0.9999"), id="a state that stays zero"
    ),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_programs_that_differ_are_kept_apart(one: tuple[str, ...], other: tuple[str, ...]):
    assert fingerprint(written(*one)) != fingerprint(written(*other))


def test_float32_overflow_is_part_of_it():
    """In float64 both are the gradient; trained in float32, the first is infinite."""
    overflows = written("", "a = g * 1e30", "b = a * 1e30", "c = b * 1e-30", "update = c * 1e-30")
    assert fingerprint(overflows) != fingerprint(written("", "update = g * 1.0"))


def test_nan_and_infinity_are_told_apart():
    nan, inf = written("", "update = arccos(2.0) + g"), written("", "update = reciprocal(0.0) + g")
    minus_inf = written("", "update = g - reciprocal(0.0)")
    assert len({fingerprint(p) for p in (nan, inf, minus_inf)}) == 3


def test_known_optimizers_differ_as_their_hashes_do():
    programs = [library_program(name) for name in LIBRARY]
    hashes = {functional_hash(p) for p in programs}
    assert len({fingerprint(canonicalise(p).program()) for p in programs}) == len(hashes)


def test_names_do_not_matter():
    canonical = canonicalise(library_program("lion")).program()
    assert fingerprint(canonical) == fingerprint(library_program("lion"))


def test_it_is_the_same_in_another_process():
    code = (
        "from lion_search.dsl.library import library_program\n"
        "from lion_search.dsl.equivalence.fingerprint import fingerprint\n"
        "print(fingerprint(library_program('adamw')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert found.stdout.strip() == fingerprint(library_program("adamw"))


@pytest.mark.parametrize("reduction", ["dot(w, g)", "global_norm(g)", "cosine_sim(w, g)"])
def test_a_bounded_function_of_a_reduction_is_seen(reduction: str):
    """With gradients of 1e4 in every step it would always be 1; two such pairs trained differently."""
    bounded = written("m", "m = interp(g, m, 0.9)", f"update = m * abs(tanh({reduction}))")
    assert fingerprint(bounded) != fingerprint(written("m", "m = interp(g, m, 0.9)", "update = m * 1.0"))


# What a discontinuous or saturating function hides. Each is made of two averages with weights of their own.
HIDDEN = {
    "a sign": ("update = sign(u)",),
    "a sign with decay and schedule": ("u = sign(u)", "wd = w * 0.5", "u = u + wd", "update = u * lr"),
    "a sign of a difference to the weights": ("u = u - w", "update = sign(u)"),
    "a hyperbolic tangent that saturates": ("u = u * 1e8", "update = tanh(u)"),
    "an arc tangent that saturates": ("u = u * 1e-6", "u = reciprocal(u)", "update = arctan(u)"),
    "a maximum with 0": ("update = maximum(u, 0.0)",),
    "whether it is larger than 0": ("u = maximum(u, 0.0)", "update = sign(u)"),
    "a minimum with little": ("u = abs(u)", "update = minimum(u, 1e-7)"),
}


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("near_one", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_a_function_hides_is_seen(hidden: str, near_one: bool, seed: int):
    """Of sixty programs of one form with other weights, a fifth of them twice the same, 59 or more differ."""
    rng = random.Random(seed)

    def weight() -> float:
        return 1 - 10 ** rng.uniform(-3, 0) if near_one else rng.random()

    keys = set()
    for _ in range(60):
        first = weight()
        second = first if rng.random() < 0.2 else weight()
        averages = (f"u = interp(g, m, {first})", f"m = interp(g, m, {second})")
        keys.add(fingerprint(canonicalise(written("m", *averages, *HIDDEN[hidden])).program()))
    assert len(keys) >= 59


@pytest.mark.parametrize("pair", [(0.5, 0.9), (0.9, 0.99), (0.99, 0.999)], ids=str)
def test_two_averages_in_a_sign_are_told_from_others(pair: tuple[float, float]):
    """Each pair gives the last gradient and the average before it weights of about 10 to 1."""
    first, second = pair
    changed = {
        fingerprint(written("m", f"u = interp(g, m, {a})", f"m = interp(g, m, {b})", "update = sign(u)"))
        for a, b in ((first, second), (second, second), (first, first), (0.7, 0.94), (0.95, 0.995))
    }
    assert len(changed) == 5


DISGUISED = [
    pytest.param(
        ("update = sign(u)",), ("a = g * 0.1", "b = m * 0.9", "u = b + a", "update = sign(u)"), id="a sum"
    ),
    pytest.param(
        ("a = u * u", "b = a + 1.0", "update = u / b"),
        ("b = square(u) + 1.0", "update = u * reciprocal(b + 1e-8)"),
        id="a square",
    ),
    pytest.param(
        ("a = maximum(u, w)", "update = a - u"), ("a = w - u", "update = maximum(a, 0.0)"), id="max"
    ),
    pytest.param(
        ("update = sign(u)",), ("a = tanh(u)", "b = cube(a)", "update = sign(b)"), id="odd functions"
    ),
]


@pytest.mark.parametrize(("one", "other"), DISGUISED)
def test_what_is_the_same_over_the_reals_shares_it(one: tuple[str, ...], other: tuple[str, ...]):
    """Also if sums are rounded otherwise, and with a state that is stored at another scale."""
    plain = ("u = interp(g, m, 0.9)", "m = interp(g, m, 0.99)")
    stored = ("s = m * 0.125", "u = interp(g, s, 0.9)", "c = g * 0.08", "d = m * 0.99", "m = c + d")
    key = fingerprint(written("m", *plain, *one))
    other = tuple(line.replace("m * 0.9", "o * 0.9") for line in other)
    assert key == fingerprint(written("m", "o = m * 1.0", *plain, *other))
    assert key == fingerprint(written("m", "o = m * 0.125", *stored, *other))

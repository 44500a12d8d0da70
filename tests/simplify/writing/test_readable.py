"""Programs written for people: the same function, in the order and under the names a person would choose."""

from __future__ import annotations

import random
from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import pytest
from programs import canonical, evolved

from lion_search.dsl.dataflow import dataflow
from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.types import check
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.dsl.variation.random_program import random_program
from lion_search.simplify.writing import factoring
from lion_search.simplify.writing.factoring import factor_learning_rate
from lion_search.simplify.writing.readable import readable
from lion_search.simplify.writing.roles import Role, state_roles


def written(text: str) -> str:
    """The readable form of a program given as text."""
    return format_program(readable(parse(text)))


def lines(text: str) -> str:
    """The body of the readable form, one line, without the header."""
    return "; ".join(line.strip() for line in written(text).splitlines()[1:])


WRITTEN = {
    "the learning rate last, the state before the weight decay": (
        (
            "def train(w, g, m, lr): x0 = w * 0.46; x2 = arcsin(clip(g, lr)); "
            "x4 = sign(interp(m, x2, 0.1)); x5 = x0 + x4; x6 = lr * 0.000217; x7 = x5 * x6; "
            "x8 = interp(m, x2, 0.00178); return x7, x8"
        ),
        """def train(w, g, momentum, lr):
    g = clip(g, lr)
    g = arcsin(g)
    update = interp(g, momentum, 0.9)
    update = sign(update)
    momentum = interp(g, momentum, 0.99822)
    weight_decay = w * 0.46
    update = update + weight_decay
    lr = lr * 0.000217
    update = update * lr
    return update, momentum
""",
    ),
    "two states, each for its role, in the order of roles": (
        (
            "def train(w, g, a, b, lr): a = interp(a, g * g, 0.001); b = interp(b, g, 0.1); "
            "update = (w * 0.01 + b / sqrt(a)) * (0.001 * lr); return update, a, b"
        ),
        """def train(w, g, momentum, second_moment, lr):
    momentum = interp(g, momentum, 0.9)
    g2 = square(g)
    second_moment = interp(g2, second_moment, 0.999)
    sqrt_second_moment = sqrt(second_moment)
    update = momentum / sqrt_second_moment
    weight_decay = w * 0.01
    update = update + weight_decay
    lr = lr * 0.001
    update = update * lr
    return update, momentum, second_moment
""",
    ),
    "a state that is read and then changed once more": (
        (
            "def train(w, g, m, lr): m = interp(g, m, 0.6496061); v = clip(m, lr); sqrt_v = sqrt(v); "
            "m = sinh(v); v2 = exp(-1.0241764); update = m / sqrt_v; wd = w * 0.01; "
            "update = update + wd; update = update * v2; return update, m"
        ),
        """def train(w, g, momentum, lr):
    momentum = interp(g, momentum, 0.6496061)
    momentum = clip(momentum, lr)
    sqrt_momentum = sqrt(momentum)
    momentum = sinh(momentum)
    update = momentum / sqrt_momentum
    weight_decay = w * 0.01
    update = update + weight_decay
    update = update * 0.3590921
    return update, momentum
""",
    ),
    "the learning rate and a constant out of a sum": (
        (
            "def train(w, g, m, lr): update = sign(interp(g, m, 0.9)) * 0.0002 * lr + w * lr * 0.0001; "
            "m = interp(g, m, 0.99); return update, m"
        ),
        """def train(w, g, momentum, lr):
    update = interp(g, momentum, 0.9)
    update = sign(update)
    momentum = interp(g, momentum, 0.99)
    weight_decay = w * 0.5
    update = update + weight_decay
    lr = lr * 0.0002
    update = update * lr
    return update, momentum
""",
    ),
    "a decayed sum, read before the gradient is overwritten": (
        ("def train(w, g, m, lr): m = g + 0.9 * m; update = lr * 0.01 * (g + m * 0.9); return update, m"),
        """def train(w, g, momentum, lr):
    momentum = momentum * 0.9
    momentum = momentum + g
    update = momentum * 0.9
    update = update + g
    lr = lr * 0.01
    update = update * lr
    return update, momentum
""",
    ),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_it_is_written_as_a_person_would(what: str) -> None:
    given, expected = WRITTEN[what]
    assert written(given) == expected


SMALL = {
    "an update that is a constant": ("(w, g, lr):\n return 0.5", "return 0.5"),
    "an update that is an input": ("(w, g, lr):\n return g", "return g"),
    "a state that is kept for one step": ("(w, g, m, lr):\n return m, g", "return state, g"),
    "an update that is the new state": (
        "(w, g, m, lr):\n m = interp(g, m, 0.9)\n return m, m",
        "momentum = interp(g, momentum, 0.9); return momentum, momentum",
    ),
    "states that change places": (
        "(w, g, m, v, lr):\n update = m + v * 2.0\n m = m + g\n return update, v, m",
        (
            "update = state * 2.0; update = update + state2; new_state = state2 + g; "
            "return update, new_state, state"
        ),
    ),
    "states that are always equal": (
        (
            "(w, g, m, v, lr):\n m = interp(g, m, 0.9)\n v = interp(g, v, 0.9)\n update = m * v\n"
            " return update, m, v"
        ),
        "momentum = interp(g, momentum, 0.9); update = square(momentum); return update, momentum",
    ),
    "a gradient that is prepared": (
        "(w, g, lr):\n update = sign(g - 0.5) * norm(w)\n return update",
        "g = g - 0.5; update = sign(g); norm_w = norm(w); update = update * norm_w; return update",
    ),
    "weight decay times a number": (
        "(w, g, lr):\n update = (g + w * dot(g, w)) * lr\n return update",
        (
            "dot_g_w = dot(g, w); weight_decay = w * dot_g_w; update = g + weight_decay; "
            "update = update * lr; return update"
        ),
    ),
    "a value that is needed again keeps its name": (
        "(w, g, lr):\n update = square(g) * arctan(square(g) + w)\n return update",
        (
            "update = square(g); total = update + w; arctan_total = arctan(total); "
            "update = update * arctan_total; return update"
        ),
    ),
    "a state that reads the update": (
        "(w, g, m, lr):\n update = g * lr + m * lr * 0.9 + w * lr\n m = m + update\n return update, m",
        (
            "update = momentum * 0.9; update = update + g; update = update + w; update = update * lr; "
            "momentum = update + momentum; return update, momentum"
        ),
    ),
    "a sum with a negative constant": (
        "(w, g, lr):\n update = tanh(abs(g) + -0.5)\n return update",
        "update = abs(g); update = update - 0.5; update = tanh(update); return update",
    ),
}


@pytest.mark.parametrize("what", SMALL)
def test_small_programs(what: str) -> None:
    given, expected = SMALL[what]
    assert lines(f"def train{given}\n") == expected


def test_a_weight_that_float32_cannot_turn_round_stays() -> None:
    text = "def train(w, g, m, lr):\n m = interp(m, g, 1.2345678e-05)\n return m, m\n"
    assert "interp(momentum, g, 1.2345678e-05)" in written(text)


SUMS = {
    "the same constant everywhere": ("g * 2.0 * lr + m * 2.0 * lr", "(m + g) * (lr * 2.0)"),
    "different constants stay": ("g * 2.0 * lr + m * 0.5 * lr", "(m * 0.5 + g * 2.0) * lr"),
    "in a numerator": (
        "(m * (lr * 0.3)) / abs(g) - w * (lr * 0.1)",
        "(m / abs(g) - w * 0.33333334) * (lr * 0.3)",
    ),
    "through several sums": (
        "(m * (lr * 0.2) - (w * (lr * 0.1) + g * lr * 0.5)) / norm(g)",
        "(m * 0.2 - (g + w * 0.2) * 0.5) / norm(g) * lr",
    ),
    "powers of the learning rate": ("m * lr + w * lr * lr", "(m + w * lr) * lr"),
}


@pytest.mark.parametrize("what", SUMS)
def test_the_learning_rate_is_taken_out(what: str) -> None:
    text = "m: update = {}; m = interp(g, m, 0.9)"
    given, expected = (canonical(text.format(e)) for e in SUMS[what])
    assert factor_learning_rate(given) == factor_learning_rate(expected) == expected


def test_what_is_not_proved_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factoring, "_is_proved", lambda claim: False)
    form = canonical(": update = g * lr + w * lr")
    assert factoring.factor_learning_rate(form) is form


@pytest.mark.parametrize("update", ["g * lr + w", "sinh(g * lr)", "lr * 2.0", "(m * 0.9 + g) * (lr * 0.01)"])
def test_where_there_is_nothing_to_take_out_the_program_stays(update: str) -> None:
    form = canonical(f"m: update = {update}; m = interp(g, m, 0.9)")
    assert factor_learning_rate(form) is form


ROLES = {
    "interp(g, s, 0.9)": Role.MOMENTUM,
    "sinh(s * 0.9) + clip(g, 1.0)": Role.MOMENTUM,
    "interp(square(g), s, 0.9)": Role.SECOND_MOMENT,
    "maximum(s * 0.9, abs(g))": Role.SECOND_MOMENT,
    "s + g * tanh(g)": Role.SECOND_MOMENT,
    "s + exp(g)": Role.STATE,
    "s + square(g) + g": Role.STATE,
    "interp(w, s, 0.9)": Role.STATE,
    "sign(g)": Role.STATE,
}


@pytest.mark.parametrize("new", ROLES)
def test_roles_of_states(new: str) -> None:
    form = canonical(f"s: update = s * lr; s = {new}")
    assert list(state_roles(dataflow(form)).values()) == [ROLES[new]]


def assert_readable(program: Program) -> None:
    """What holds of every program written for people."""
    form, found = canonicalise(program).program(), readable(program)
    factored = factor_learning_rate(form)
    check(found)
    assert parse(format_program(found)) == found
    assert functional_hash(found) == functional_hash(factored)
    assert len(found.states) == len(form.states)
    assert len(found.statements) == len(factored.statements) <= len(form.statements)
    assert readable(found) == found
    assert not {"x0", "x1"} & {s.target for s in found.statements}


@pytest.mark.parametrize("name", LIBRARY)
def test_known_programs(name: str) -> None:
    program = library_program(name)
    assert_readable(program)
    if name != "paper/program8":  # one of its constants is rounded
        assert functional_hash(readable(program)) == functional_hash(program)


@hypothesis.given(seed=st.integers(0, 2**32))
@hypothesis.settings(max_examples=100)
def test_random_and_evolved_programs(seed: int) -> None:
    rng = random.Random(seed)
    names = ("m", "v", "s")[: rng.randint(0, 3)]
    assert_readable(random_program(names, MutationSpace(), rng.choice((5, 20, 40)), rng))
    assert_readable(evolved(rng, 200))


@hypothesis.given(seed=st.integers(0, 2**32), order=st.permutations(range(4)))
@hypothesis.settings(max_examples=50)
def test_outputs_in_any_order(seed: int, order: list[int]) -> None:
    program = random_program(("m", "v", "s"), MutationSpace(), 12, random.Random(seed))
    assert_readable(replace(program, outputs=tuple(program.outputs[i] for i in order)))

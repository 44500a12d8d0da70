"""Recognition: each library program is itself, other constants are seen, strangers are not claimed."""

from __future__ import annotations

import json
import random

import pytest
from programs import train
from replay import compare

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Program, Statement
from lion_search.dsl.text import parse
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.recognition.identify import Recognition, identify, identify_as_it_stands


def _first_name(name: str) -> str:
    """The first library name of the same program."""
    own = functional_hash(library_program(name))
    return next(n for n in LIBRARY if functional_hash(library_program(n)) == own)


def _shaken(program: Program) -> Program:
    """The program with other constants, by up to 5 %; weights of averages stay below 1."""
    rng = random.Random(0)
    statements = tuple(
        Statement(s.target, s.function, tuple(_moved(a, rng) if isinstance(a, float) else a for a in s.args))
        for s in program.statements
    )
    return Program(program.states, statements, program.outputs)


def _moved(value: float, rng: random.Random) -> float:
    share = 0.01 + 0.04 * rng.random()
    return value + (1 - value) * share if 0.5 < value < 1 else value * (1 + share)


def assert_right(program: Program, found: Recognition) -> None:
    """The entry with the constants that were found gives the program's updates."""
    numbers = compare(program, found.form, tolerance=1e-4)
    assert numbers.different == 0
    assert numbers.equal > numbers.edge + numbers.ill_conditioned


@pytest.mark.parametrize("name", LIBRARY)
def test_a_library_program_is_itself(name: str) -> None:
    found = identify(library_program(name))
    assert (found.name, found.exact, found.same_constants) == (_first_name(name), True, True)
    assert found.summary().startswith(f"this is {found.name}")
    assert all(c.same for c in found.constants)
    assert identify_as_it_stands(library_program(name)).title == found.name


@pytest.mark.parametrize("name", LIBRARY)
def test_a_library_program_with_other_constants_is_of_its_family(name: str) -> None:
    program = _shaken(library_program(name))
    found = identify(program)
    assert _first_name(name) in (found.name, *found.also)
    assert (found.exact, found.same_constants) == (True, False)
    assert_right(program, found)


LION = train("""m v:
    m = interp(g, v, 0.9)
    v1 = m * m
    v = interp(g, m, 1.1)
    lr = lr * 0.000217
    update = m * lr
    v1 = sqrt(v1)
    update = update / v1
    wd = lr * 0.46
    wd = wd * w
    update = update + wd
""")


def test_the_search_s_raw_program_without_clipping_is_lion() -> None:
    found = identify(LION)
    assert (found.name, found.exact, found.same_constants, found.also) == ("lion", True, False, ())
    assert {(c.place, c.value, c.library_value, c.same) for c in found.constants} == {
        ("update = interp(g, m, 0.9)", 0.9, 0.9, True),
        ("m = interp(g, m, 0.99)", 0.99, 0.99, True),
        ("wd = w * 0.46", 0.46, 1.0, False),
        ("lr = lr * 0.000217", 0.000217, 0.0001, False),
    }
    assert found.summary() == (
        "this is lion with other constants: "
        "weight decay 0.46 (there 1), learning rate 0.000217 (there 0.0001)"
    )
    assert found.roles == {"b1": 0.9, "b2": 0.99, "weight decay": 0.46, "learning rate": 0.000217}


def test_a_result_is_plain_values() -> None:
    for program in (LION, library_program("adam"), train("m: m = sin(g) + m; update = tan(m) * lr")):
        found = identify(program)
        plain = found.as_dict()
        assert json.loads(json.dumps(plain)) == plain
        assert parse(plain["form"]) == found.form


DISGUISED = [
    (
        "lion",
        """m: u = g * 0.1 + m * 0.9; u = u / abs(u); m = m * 0.99 + g * 0.01
        k = lr * 0.001; update = u * k + w * k * 0.1""",
    ),
    (
        "lion",
        """m: n = -m; u = interp(g, n, 0.9); c = u / sqrt(square(u)); m = interp(-g, m, 0.99)
        k = lr * 0.001; update = c * k + w * k * 0.1""",
    ),
    (
        "lion",
        """m: u = sign(m * 0.09 + g * 0.1); m = m * 0.99 + g
        update = (u + w * 0.2) * (lr * 0.003)""",
    ),
    ("signum", "m: m = m * 0.9 + g; update = sign(m) * (lr * 0.003)"),
    (
        "adamw",
        """m v: m = g * 0.1 + m * 0.9; v = v * 0.99 + square(g) * 0.01; k = lr * 0.003
        update = k * m / sqrt(v) + w * k * 0.1""",
    ),
    (
        "adam",
        """m v s: m = m * 0.9 + g; v = v * 0.99 + g * g
        update = m / sqrt(v); update = update * lr * 0.001; s = cosh(update) + s""",
    ),
    ("rmsprop", "v: v = interp(v, g * g, 0.05); update = g * reciprocal(sqrt(v)) * lr * 0.01"),
    ("adagrad", "v: v = v + g * g * 0.25; update = g / sqrt(v) * lr * 0.01"),
    ("heavy_ball", "m: m = interp(m, g, 0.05); update = m * lr * 0.3"),
    ("nesterov", "m: m = m * 0.8 + g * 2.0; update = (m * 0.4 + g) * lr * 0.1"),
    (
        "powersign",
        """m: m = g * 0.1 + m * 0.9; f = exp2(sign(g * m) * 1.4426950408889634)
        update = f * g * lr * 0.3""",
    ),
    ("sgd", "m: m = m - m; update = (g + m) * lr * 0.3"),
    ("sign_descent", ": update = g / abs(g) * lr * 0.01"),
]


@pytest.mark.parametrize(("name", "text"), DISGUISED)
def test_another_way_to_write_it_is_the_same_family(name: str, text: str) -> None:
    program = train(text)
    found = identify(program)
    assert (found.name, found.exact) == (name, True)
    assert_right(program, found)


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("signum", "m: m = interp(g, m, 0.9); update = sign(m) * lr", "lr = lr * 1.0"),
        (
            "lion",
            "m: u = sign(interp(g, m, 0.9)); m = interp(g, m, 0.5); update = (u + w) * lr",
            "wd = w * 1.0",
        ),
        (
            "lion",
            "m: update = (sign(interp(g, m, 0.9)) + w * 0.2) * lr; m = g * 1.0",
            "m = interp(g, m, 0.0)",
        ),
    ],
)
def test_a_constant_that_does_nothing_need_not_stand_there(name: str, text: str, place: str) -> None:
    found = identify(train(text))
    assert (found.name, found.exact) == (name, True)
    assert place in [c.place for c in found.constants]


def test_of_entries_that_match_the_one_with_the_same_constants_comes_first() -> None:
    for name, other in (("paper/program4", "paper/program8"), ("paper/program8", "paper/program4")):
        found = identify(library_program(name))
        assert (found.name, found.also) == (name, (other,))
        assert found.summary() == f"this is {name}; also {other}"


def test_an_epsilon_away_is_recognized_only_with_epsilon() -> None:
    program = train("m: m = interp(g, m, 0.9); update = m / abs(m) * (lr * 0.0001)")
    assert identify(program).name == "signum"
    assert identify(program).same_constants
    assert not identify(program, epsilon=False).exact


AVERAGES = "u = sign(interp(g, m, 0.73)); m = interp(g, m, 0.93)"
ADAM = "m = interp(g, m, 0.73); v = interp(g * g, v, 0.99)"
RATIO = "interp(g, m, 0.73) / sqrt(interp(square(g), v, 0.99))"
VERDICTS = [
    # How a program is written, its family, what differs in words, whether it is Lion with two betas.
    (f"m: {AVERAGES}; update = u * (lr * 0.01)", "lion", ["no weight decay"], True),
    (f"m: {AVERAGES}; update = u * 0.01", "lion", ["no weight decay", "no schedule"], True),
    (f"m: {AVERAGES}; update = u * (lr * 0.01) + w * lr * 0.0001", "lion", [], True),
    (
        f"m: {AVERAGES}; update = u * (lr * 0.01) + w * 0.0001",
        "lion",
        ["independent weight decay 0.0001, not multiplied by lr"],
        True,
    ),
    (
        f"m: g = g + w * 0.1; {AVERAGES}; update = u * (lr * 0.01)",
        "lion",
        ["on g + 0.1 * w (coupled weight decay 0.1)"],
        True,
    ),
    (
        "m: u = sign(interp(g, m, 0.73) + w * 0.01); m = interp(g, m, 0.9); update = u * (lr * 0.01)",
        "near lion",
        ["weight decay 0.01 inside, 0.01 * w + interp(g, m, 0.73) in place of interp(g, m, 0.73)"],
        False,
    ),
    (
        f"v: g = arcsin(clip(g, lr)); {AVERAGES.replace('m', 'v')}; update = u * (lr * 0.01)",
        "lion",
        ["on arcsin(clip(g, lr))", "no weight decay"],
        False,
    ),
    (
        f"m: {AVERAGES}; update = u * maximum(sign(u * g), 0.0) * (lr * 0.01)",
        "lion",
        ["no weight decay", "cautious: zero where its sign is not the gradient's"],
        False,
    ),
    (
        f"m: {AVERAGES}; update = (u + sign(g) + w * 0.1) * (lr * 0.01)",
        "lion",
        ["cautious: zero where its sign is not the gradient's"],
        False,
    ),
    (
        f"m: {AVERAGES.replace('sign', 'arcsinh')}; update = u * (lr * 0.01)",
        "lion-kappa",
        ["no weight decay", "arcsinh(interp(g, m, 0.73)) in place of sign(interp(g, m, 0.73))"],
        False,
    ),
    (
        f"m: {AVERAGES.replace('sign', 'sin')}; update = u * (lr * 0.01)",
        "near lion",
        ["no weight decay", "sin(interp(g, m, 0.73)) in place of sign(interp(g, m, 0.73))"],
        False,
    ),
    ("m: m = interp(g, m, 0.9); update = sign(m) * (lr * 0.01)", "signum", [], False),
    ("m: update = sign(interp(g, m, 0.9)) * (lr * 0.01); m = interp(g, m, 0.9)", "signum", [], False),
    ("m: update = sign(m) * (lr * 0.01); m = interp(g, m, 0.9)", "signum", ["one step late"], False),
    (
        "m: m = interp(g, m, 0.9); update = (sign(m) + w * 0.1) * (lr * 0.01)",
        "signum",
        ["decoupled weight decay"],
        False,
    ),
    (f"m v: {ADAM}; update = (m / sqrt(v) + w * 0.3) * (lr * 0.01)", "adamw", [], False),
    (
        f"m v: {ADAM}; update = interp(g, m, 0.5) / sqrt(v) * (lr * 0.01)",
        "nadamw",
        ["no weight decay"],
        False,
    ),
    (
        f"m v: {ADAM}; update = (sin(m / sqrt(v)) + w * 0.1) * (lr * 0.01)",
        "near adamw",
        [f"sin({RATIO}) in place of {RATIO}"],
        False,
    ),
    ("m: update = sin(m) * norm(w) * lr; m = interp(g, m, 0.9)", "", [], False),
    ("m: update = (sign(g) + tanh(m)) * lr; m = arcsinh(m + cbrt(g * 0.59))", "", [], False),
]


@pytest.mark.parametrize(("text", "family", "words", "is_lion"), VERDICTS)
def test_what_differs_is_said_in_words_and_the_program_s_own_names(
    text: str, family: str, words: list[str], is_lion: bool
) -> None:
    found = identify(train(text))
    assert (found.family, [d.words for d in found.differences]) == (family, words)
    assert found.is_lion_with_distinct_betas == is_lion
    assert found.summary().startswith("this is" if family else "no known optimizer")
    assert all(d.words in found.summary() for d in found.differences)


@pytest.mark.parametrize(
    ("text", "b1", "b2"),
    [
        ("m: m = interp(g, m, 0.9); update = sign(interp(g, m, 0.9)) * (lr * 0.01)", 0.81, 0.9),
        ("m: a = interp(g, m, 0.73); update = sign(a) * (lr * 0.01); m = interp(a, m, 0.73)", 0.73, 0.9271),
        ("m: m = m * 0.9 + g; update = sign(g + m * 3.0) * (lr * 0.01)", 0.9 / (0.9 + 4 / 30), 0.9),
        ("m: update = sign(interp(m, g, 0.3)) * (lr * 0.01); m = interp(m, g, 0.1)", 0.7, 0.9),
    ],
)
def test_shares_that_mean_the_same_are_named_by_what_they_come_to(text: str, b1: float, b2: float) -> None:
    found = identify(train(text))
    assert found.is_lion_with_distinct_betas
    assert (found.roles["b1"], found.roles["b2"]) == pytest.approx((b1, b2), rel=1e-5)


def test_a_weight_outside_an_average_is_said() -> None:
    found = identify(train("m: update = sign(interp(g, m, 1.2)) * (lr * 0.01); m = interp(g, m, 0.9)"))
    assert "b1 1.2 (there 0.9), no share of an average" in found.summary()
    assert not found.is_lion_with_distinct_betas


def test_an_update_of_zero_is_like_nothing() -> None:
    found = identify(train("m: m = interp(g, m, 0.9); update = m - m"))
    assert (found.name, found.exact, found.differences) == ("", False, ())
    assert found.form.outputs == (0.0,)


@pytest.mark.parametrize(
    "text",
    [
        ": x = arcsin(2.0); update = x * g",
        "m: m = interp(g, m, 0.9); x = reciprocal(m - m); update = x * lr",
        ": update = log(g - g) * lr",
    ],
)
def test_a_program_that_is_never_finite_is_no_known_optimizer(text: str) -> None:
    assert not identify(train(text)).exact


def test_a_program_without_an_output_of_its_own_is_no_known_optimizer() -> None:
    assert not identify(Program(("m",), (), ("g", "g"))).exact
    assert not identify(Program(("m",), (), ("m", 1.0))).exact


def test_a_long_program_is_cut_short_and_says_so() -> None:
    rng, names = random.Random(0), ["g", "m", "w"]
    statements = []
    for i in range(1_000):
        function = rng.choice(("add", "multiply", "maximum", "sin"))
        args = tuple(rng.choices(names[-6:], k=1 if function == "sin" else 2))
        statements.append(Statement(f"x{i}", function, args))
        names.append(f"x{i}")
    found = identify(
        Program(("m",), tuple(statements), (names[-1], names[-2])), limits=RewriteLimits(500, 3, 1.0)
    )
    assert not found.exact
    assert "nodes" in found.met_limits
    assert found.summary().startswith("no known optimizer (met the limit of nodes")


def test_the_same_program_gives_the_same_result() -> None:
    program = train("m: m = interp(g, m, 0.9); update = sin(m) * norm(w) * lr")
    assert identify(program) == identify(program)

"""A scaled program's update is a multiple of the old one, its states are the old ones; it hardly grows."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from dsl_programs import written

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Program, Statement, make_program
from lion_search.dsl.text import format_statement
from lion_search.dsl.types import check
from lion_search.dsl.variation.scaling import scale_update

FACTORS = (2.0**-7, 0.5, 4.0, 3.0)


def _lines(program: Program) -> list[str]:
    return [*map(format_statement, program.statements)]


def _scaled(program: Program, factor: float = 2.0) -> list[str]:
    """The lines of a scaled program that are not among the old ones."""
    return [line for line in _lines(scale_update(program, factor)) if line not in _lines(program)]


def _growth(program: Program, factor: float = 2.0) -> int:
    return len(scale_update(program, factor).statements) - len(program.statements)


# ---- what is computed


@pytest.mark.parametrize("factor", FACTORS)
def test_the_update_is_scaled_and_the_states_are_kept(
    factor: float,
    evolved: list[Program],
    known_programs: dict[str, Program],
    walk: Callable[..., np.ndarray],
    reference: Callable[..., object],
):
    """Over six steps in float64, of the live part; wherever rounding to float32 does not decide."""
    compared = folded = 0
    for program in (*known_programs.values(), *evolved):
        old, new = prune(program), scale_update(program, factor)
        check(new)
        outputs = walk(prune(new), num_steps=6)
        assert prune(new).states == old.states
        folded += len(new.statements) == len(program.statements)
        wanted = reference(program, num_steps=6)
        expected = wanted.outputs.copy()
        expected[:, 0] *= factor
        mask = wanted.comparable
        np.testing.assert_allclose(outputs[mask], expected[mask], rtol=2e-3)
        compared += int(mask[:, 0].any())
    assert compared > 60
    assert folded > 30


def test_a_power_of_two_is_exact_in_float32(walk: Callable[..., np.ndarray]):
    for name in ("adamw", "lion", "paper/program7"):
        program = library_program(name)
        old = walk(program, num_steps=6, dtype=np.float32)
        new = walk(scale_update(program, 0.25), num_steps=6, dtype=np.float32)
        np.testing.assert_array_equal(new[:, 0], 0.25 * old[:, 0])
        np.testing.assert_array_equal(new[:, 1:], old[:, 1:])


# ---- which constant


@pytest.mark.parametrize("factor", [2.0**k for k in (-10, -3, -1, 1, 3, 10)])
@pytest.mark.parametrize("name", [n for n in LIBRARY if n != "paper/program8"])
def test_known_optimizers_take_a_power_of_two_without_growing(name: str, factor: float):
    """All but Program 8: its learning rate meets its weight decay in one product, of too many digits."""
    program = library_program(name)
    assert _growth(program, factor) == 0
    assert canonicalise(scale_update(program, factor)).hash != canonicalise(program).hash


def test_adamw_and_lion_take_the_factor_into_the_learning_rate():
    assert _scaled(library_program("adamw")) == ["lr = lr * 0.002"]
    assert _scaled(library_program("lion")) == ["lr = lr * 0.0002"]


TAKES: list[tuple[str, list[str], str]] = [
    ("", ["update = 0.5 * g"], "update = 1.0 * g"),
    ("", ["update = g / 64.0"], "update = g / 32.0"),
    ("", ["update = 3.0 / g"], "update = 6.0 / g"),
    ("", ["a = g * 0.5", "update = a / w"], "a = g * 1.0"),
    ("", ["a = g * -0.5", "update = -a"], "a = g * -1.0"),
    ("", ["a = g * 3.0", "update = norm(a)"], "a = g * 6.0"),
    ("", ["a = lr * 0.5", "b = g * a", "c = w * a", "update = b - c"], "a = lr * 1.0"),
    ("", ["a = lr * 0.5", "b = g * a", "c = w * a", "update = maximum(b, c)"], "a = lr * 1.0"),
    ("", ["a = g * 0.5", "update = a * 8.0"], "update = a * 16.0"),
    ("", ["a = g * 0.5", "b = a * 1.5", "update = b * lr"], "b = a * 3.0"),
    ("m", ["a = g * 0.5", "update = a + m"], "a = g * 1.0"),  # the state stays zero: no term
    ("", ["update = g * 0.5", "a = update * 0.25"], "update = g * 1.0"),  # the last is dead
]


@pytest.mark.parametrize(("states", "lines", "changed"), TAKES)
def test_the_last_constant_that_scales_the_update_takes_the_factor(
    states: str, lines: list[str], changed: str
):
    program = written(states, *lines)
    assert _growth(program) == 0
    assert _scaled(program) == [changed]


TAKES_NOT: list[tuple[str, list[str]]] = [
    ("", ["update = sin(g)"]),
    ("", ["a = g * 0.5", "update = sin(a)"]),
    ("", ["a = g * 0.5", "update = a + w"]),
    ("", ["a = g * 0.5", "update = sign(a)"]),
    ("", ["a = g * 0.5", "update = w / a"]),  # the denominator's epsilon
    ("", ["a = g * 0.5", "update = a * a"]),
    ("", ["a = g * 0.5", "b = w * 0.5", "update = a + b"]),
    ("m", ["a = g * 0.5", "m = interp(a, m, 0.9)", "update = m * lr"]),  # a state needs it
    # It underflows, which proves nothing: g * w * 1e-60 is zero in float32, (g * 1e-30) * w * 1e-30 is not.
    ("", ["a = g * 1e-30", "b = a * w", "c = b * 1e-30", "update = c + 0.0"]),
]


@pytest.mark.parametrize(("states", "lines"), TAKES_NOT)
def test_a_statement_is_appended_where_no_constant_scales_the_update(states: str, lines: list[str]):
    program = written(states, *lines)
    assert _lines(scale_update(program, 2.0)) == [*_lines(program), "update = update * 2.0"]


def test_an_input_that_is_returned_is_overwritten():
    program = Program((), (), ("g",))
    assert _lines(scale_update(program, 2.0)) == ["g = g * 2.0"]


# ---- what is appended


def test_a_state_that_is_also_the_update_keeps_its_value():
    """Then the product gets a name of its own."""
    program = Program(("m",), (Statement("m", "add", ("g", "m")),), ("m", "m"))
    scaled = scale_update(program, 2.0)
    check(scaled)
    assert scaled == Program(
        ("m",), (*program.statements, Statement("v1", "multiply", ("m", 2.0))), ("v1", "m")
    )


def test_a_constant_update_can_be_scaled():
    scaled = scale_update(Program((), (), (0.5,)), 4.0)
    check(scaled)
    assert canonicalise(scaled).outputs == (2.0,)


@pytest.mark.parametrize("factor", [8.0, 1.7])
def test_an_appended_factor_takes_the_next_ones(factor: float, evolved: list[Program]):
    """So a program that is scaled again and again grows once at most; also by what is no power of two."""
    grown = 0
    for program in evolved:
        scaled = program
        for _ in range(4):
            scaled = scale_update(scaled, factor)
        growth = len(scaled.statements) - len(program.statements)
        assert growth <= 1
        grown += growth
    assert grown > 10


def test_an_appended_factor_is_the_product_of_all():
    program = written("", "update = sin(g)")
    assert _lines(scale_update(scale_update(program, 2.0), 8.0))[1:] == ["update = update * 16.0"]


def test_the_last_product_of_a_state_is_left_alone():
    """What is also a state's new value is scaled under another name, though it is a product."""
    program = Program(
        ("m",), (Statement("m", "add", ("g", "m")), Statement("m", "multiply", ("m", 0.5))), ("m", "m")
    )
    assert _lines(scale_update(program, 2.0)) == [*_lines(program), "v1 = m * 2.0"]


def test_scaling_back_gives_the_old_updates(
    evolved: list[Program], known_programs: dict[str, Program], walk: Callable[..., np.ndarray]
):
    """Mostly the constant that takes 2 takes 1/2, too, and the canonical form is the old one.

    Else the factors sit in two constants of one product: the form is another one, of equal length, and in
    float64 all updates and states are the old ones, since powers of two are exact.
    """
    programs = (*known_programs.values(), *evolved)
    moved = 0
    for program in programs:
        back = scale_update(scale_update(program, 2.0), 0.5)
        if canonicalise(back).hash != canonicalise(program).hash:
            moved += 1
            assert len(back.statements) == len(program.statements)
            outputs = [walk(prune(p), num_steps=6) for p in (program, back)]
            np.testing.assert_array_equal(*outputs)
    assert moved < 0.05 * len(programs)


def test_constants_stay_within_the_bounds_of_mutation():
    program = library_program("adamw")
    for _ in range(30):
        program = scale_update(program, 2.0**20)
    constants = [a for s in program.statements for a in s.args if isinstance(a, float)]
    assert max(constants) <= 1e30
    assert _growth(library_program("adamw"), 1e30) == 0


# ---- what changes nothing, and what is refused


def test_a_factor_of_one_changes_nothing(evolved: list[Program]):
    for program in evolved[:10]:
        assert scale_update(program, 1.0) == program


def test_an_update_that_is_zero_is_not_scaled():
    program = written("m", "a = g * 0.5", "update = m * a")
    assert scale_update(program, 2.0) == program


@pytest.mark.parametrize("factor", [0.0, -2.0, math.inf, math.nan, 1e31, 1e-31])
def test_a_factor_out_of_range_is_refused(factor: float):
    with pytest.raises(ValueError, match="cannot scale by"):
        scale_update(make_program((), (Statement("update", "sin", ("g",)),)), factor)

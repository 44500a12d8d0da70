"""Equal values are one node; constants are folded and rounded to float32."""

import math

import pytest

from lion_search.dsl.equivalence.identities import NO_REWRITES, REWRITES
from lion_search.dsl.equivalence.value_graph import ValueGraph, fold, round_to_float32
from lion_search.dsl.execute import execute
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse


@pytest.fixture
def graph() -> ValueGraph:
    return ValueGraph(NO_REWRITES)


def test_equal_values_are_one_node(graph: ValueGraph):
    w, g = graph.input("w"), graph.input("g")
    assert graph.input("w") == w
    assert graph.constant(0.5) == graph.constant(0.5)
    assert graph.make("sin", w) == graph.make("sin", w)
    assert len({w, g, graph.constant(0.5), graph.make("sin", w), graph.make("cos", w)}) == 5
    assert graph.input("inf") != graph.constant(1.0)
    assert graph.constant(-0.0) == graph.constant(0.0)


def test_a_node_says_what_it_is(graph: ValueGraph):
    """A constant stands last among arguments that commute."""
    w, half = graph.input("w"), graph.constant(0.5)
    node = graph.make("add", half, w)
    assert graph.args_if(node, "add") == (w, half)
    assert graph.args_if(node, "cos") is None
    assert (graph.constant_value(w), graph.constant_value(half)) == (None, 0.5)


@pytest.mark.parametrize("name", [n for n in BUILT_IN if FUNCTIONS[n].arity >= 2])
def test_arguments_that_commute_may_be_swapped_and_others_not(graph: ValueGraph, name: str):
    rest = [graph.input("lr")] * (FUNCTIONS[name].arity - 2)
    for x, y in ((graph.input("w"), graph.input("g")), (graph.input("w"), graph.constant(0.3))):
        same = graph.make(name, x, y, *rest) == graph.make(name, y, x, *rest)
        assert same == FUNCTIONS[name].commutative


@pytest.mark.parametrize(
    ("name", "args", "value"),
    [
        ("add", (0.1, 0.2), 0.3),
        ("sin", (1.0,), 0.84147096),
        ("log10", (-1000.0,), 3.0),
        ("divide", (1.0, 0.0), 1e8),
        ("interp", (1.0, 2.0, 0.25), 1.25),
        ("get_pi", (), 3.1415927),
        ("get_eps", (), 1e-8),
    ],
)
def test_a_function_of_constants_is_a_constant(
    graph: ValueGraph, name: str, args: tuple[float, ...], value: float
):
    """Computed in float64 and rounded to float32, as its shortest decimal."""
    assert graph.constant_value(graph.make(name, *map(graph.constant, args))) == value


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("reciprocal", (0.0,)),
        ("log", (0.0,)),
        ("arcsin", (2.0,)),
        ("exp", (100.0,)),
        ("multiply", (1e30, 1e30)),
        ("power", (-1.0, 0.5)),
    ],
)
def test_what_is_no_finite_float32_is_not_folded(graph: ValueGraph, name: str, args: tuple[float, ...]):
    """The original's infinity or NaN is kept."""
    assert fold(name, args) is None
    node = graph.make(name, *map(graph.constant, args))
    assert graph.constant_value(node) is None
    assert graph.function[node] == name


@pytest.mark.parametrize("name", ["norm", "global_norm", "dot", "cosine_sim", "clip"])
def test_a_function_of_whole_trees_is_not_folded(graph: ValueGraph, name: str):
    """Its value depends on how many weights there are."""
    node = graph.make(name, *[graph.constant(2.0)] * FUNCTIONS[name].arity)
    assert graph.function[node] == name


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (0.1, 0.1),
        (0.8999999761581421, 0.9),
        (1.109133005142212, 1.109133),
        (1 / 3, 0.33333334),
        (1e-50, 0.0),
        (3.4e38, 3.4e38),
    ],
)
def test_rounding_gives_the_shortest_decimal_of_the_same_float32(value: float, rounded: float):
    """And rounding that again changes nothing; minus zero is zero."""
    assert round_to_float32(value) == round_to_float32(rounded) == rounded
    assert math.copysign(1, round_to_float32(-0.0)) == 1


def test_a_walk_over_a_program_builds_its_values(graph: ValueGraph):
    """The graph is a domain: the nodes of a walk are those made by hand."""
    program = parse(
        "def train(w, g, lr):\n    a = g + w\n    update = interp(a, g, 0.25)\n    return update\n"
    )
    w, g = graph.input("w"), graph.input("g")
    (update,) = execute(program, graph, {"w": w, "g": g, "lr": graph.input("lr")})
    assert update == graph.make("interp", graph.make("add", w, g), g, graph.constant(0.25))


def test_arguments_always_have_smaller_numbers_than_the_node_that_uses_them(evolved: list[Program]):
    for program in evolved:
        graph = ValueGraph(REWRITES)
        execute(program, graph, {name: graph.input(name) for name in program.inputs})
        assert all(arg < node for node, args in enumerate(graph.args) for arg in args)

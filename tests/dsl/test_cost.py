"""What a program costs: the sum over statements that touch a row."""

import pytest

from lion_search.dsl.cost import static_cost
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS, Type
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse


def cost(*lines: str) -> float:
    body = "".join(f"    {line}\n" for line in lines)
    return static_cost(parse(f"def train(w, g, m, lr):\n{body}    return g, m\n"))


@pytest.mark.parametrize("function", [name for name, row in FUNCTIONS.items() if row.arity])
def test_a_statement_on_a_row_costs_what_its_function_costs(function: str):
    """Reductions too, though their result is a scalar; some cost more than others."""
    args = ["lr" if widest is Type.SCALAR else "g" for widest in FUNCTIONS[function].parameters]
    assert cost(f"u = {function}({', '.join(args)})") == FUNCTIONS[function].cost > 0


@pytest.mark.parametrize("function", [n for n, row in FUNCTIONS.items() if row.elementwise or not row.arity])
def test_a_statement_on_scalars_costs_nothing(function: str):
    args = ["lr", "0.5", "lr"][: FUNCTIONS[function].arity]
    assert cost(f"u = {function}({', '.join(args)})") == 0


def test_arithmetic_on_the_result_of_a_reduction_costs_nothing():
    assert cost("s = global_norm(g)", "s = sqrt(s)", "s = s * lr") == FUNCTIONS["global_norm"].cost


def test_one_number_per_array_is_a_row():
    """The machine holds it as one."""
    assert cost("p = norm(g)", "q = sin(p)") == FUNCTIONS["norm"].cost + FUNCTIONS["sin"].cost


@pytest.mark.parametrize("line", ["u = g * lr", "u = lr * g", "u = interp(0.5, m, lr)"])
def test_one_row_among_the_arguments_is_enough(line: str):
    assert cost(line) == 1


def test_the_statements_add_up():
    lines = ("a = g * m", "b = tan(a)", "c = dot(b, w)", "c = sin(c)", "d = b / c")
    expected = sum(FUNCTIONS[name].cost for name in ("multiply", "tan", "dot", "divide"))
    assert cost(*lines) == expected


def test_without_statements_there_is_no_cost():
    assert static_cost(Program((), (), ("g",))) == 0


def test_an_addition_is_the_unit_and_no_function_is_cheaper_than_free():
    assert FUNCTIONS["add"].cost == 1
    assert all(FUNCTIONS[name].cost >= 0 for name in BUILT_IN)


def test_a_reduction_of_scalars_goes_through_rows():
    assert cost("s = dot(lr, 0.5)", "u = g * s") == FUNCTIONS["dot"].cost + FUNCTIONS["multiply"].cost

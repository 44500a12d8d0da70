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


def test_without_statements_there_is_no_cost():
    assert static_cost(Program((), (), ("g",))) == 0


def test_an_addition_is_the_unit_and_no_function_is_cheaper_than_free():
    assert FUNCTIONS["add"].cost == 1
    assert all(FUNCTIONS[name].cost >= 0 for name in BUILT_IN)


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        (["u = g * lr"], ["multiply"]),  # one row among the arguments is enough
        (["u = lr * g"], ["multiply"]),
        (["u = interp(0.5, m, lr)"], ["interp"]),
        (["s = global_norm(g)", "s = sqrt(s)", "s = s * lr"], ["global_norm"]),
        (["p = norm(g)", "q = sin(p)"], ["norm", "sin"]),  # the machine holds one number per array as a row
        (["s = dot(lr, 0.5)", "u = g * s"], ["dot", "multiply"]),  # a reduction of scalars goes through rows
        (
            ["a = g * m", "b = tan(a)", "c = dot(b, w)", "c = sin(c)", "d = b / c"],
            ["multiply", "tan", "dot", "divide"],
        ),
    ],
)
def test_the_statements_on_rows_add_up(lines: list[str], rows: list[str]):
    assert cost(*lines) == sum(FUNCTIONS[name].cost for name in rows)

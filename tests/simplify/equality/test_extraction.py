"""The cheapest program of a graph: values are shared, and no choice of terms gives a cheaper one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import product

import pytest

from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.dsl.types import check
from lion_search.simplify.equality.egraph import Classes, Term
from lion_search.simplify.equality.extraction import extract
from lion_search.simplify.equality.rewriting import cost

NEVER = float("inf")


def classes(terms: Mapping[str, str], *roots: str) -> Classes:
    """Classes from text, ``{"x": "sin(g) or add(a, b)"}``; inputs and numbers need not be said."""
    found = Classes(roots=list(roots))
    for owner, text in terms.items():
        for way in text.split(" or "):
            function, _, args = way.removesuffix(")").partition("(")
            found.terms[owner].append(Term(function, tuple(args.split(", ")) if args else ()))
    for used in {a for ways in found.terms.values() for t in ways for a in t.args} | set(roots):
        if used not in found.terms:
            found.terms[used] = []
            if used.replace(".", "").isdigit():
                found.value[used] = float(used)
            else:
                found.terms[used] = [Term(used)]
    return found


def functions(program: Program | None) -> list[str]:
    assert program is not None
    return [s.function for s in program.statements]


def test_a_value_that_is_used_twice_is_paid_once() -> None:
    """sin(cos(w)) is longer than abs(g), but cos(w) and its sine are there already."""
    graph = classes(
        {
            "c": "cos(w)", "s": "sin(c)", "x": "abs(g) or negative(s)",
            "y": "add(s, x)", "u": "multiply(y, c)",
        },
        "u",
    )  # fmt: skip
    assert functions(extract(graph, (), NEVER)) == ["cos", "sin", "abs", "add", "multiply"]
    graph.terms["x"] = [Term("abs", ("g2",)), Term("negative", ("s",))]
    graph.terms["g2"] = [Term("square", ("g",))]
    assert functions(extract(graph, (), NEVER)) == ["cos", "sin", "negative", "add", "multiply"]


def test_greedy_choices_are_improved_for_the_whole_program() -> None:
    """Alone, a and b are cheapest by their own ways; together, through what they share."""
    graph = classes(
        {
            "p": "sin(g)", "q": "cos(g)", "s": "tanh(g)", "t": "sinh(s)",
            "a": "abs(p) or abs(t)", "b": "negative(q) or negative(t)",
            "u": "add(a, b)", "v": "multiply(u, t)",
        },
        "v",
    )  # fmt: skip
    found = extract(graph, (), NEVER)
    assert sorted(functions(found)) == ["abs", "add", "multiply", "negative", "sinh", "tanh"]
    assert extract(graph, (), 0.0) is not None  # no time to improve: there is a program still


def test_a_state_costs_more_than_any_statements() -> None:
    graph = classes(
        {"m'": "interp(g, m, 0.9)", "x": "sin(g)", "y": "cos(x)", "z": "tanh(y)", "u": "abs(m) or abs(z)"},
        "u", "m'",
    )  # fmt: skip
    found = extract(graph, ("m",), NEVER)
    assert found is not None
    assert (found.states, functions(found)) == ((), ["sin", "cos", "tanh", "abs"])


def test_the_new_value_of_a_state_that_is_read_is_computed() -> None:
    graph = classes({"m'": "interp(g, m, 0.9)", "v'": "add(v, m)", "u": "sin(v)"}, "u", "m'", "v'")
    found = extract(graph, ("m", "v"), NEVER)
    assert found is not None
    assert (found.states, sorted(functions(found))) == (("m", "v"), ["add", "interp", "sin"])
    check(found)


def test_a_value_is_never_made_of_itself() -> None:
    graph = classes({"x": "negative(y) or sin(g)", "y": "negative(x)", "u": "add(x, y)"}, "u")
    assert functions(extract(graph, (), NEVER)) == ["sin", "negative", "add"]


def test_what_was_dropped_is_the_last_resort() -> None:
    graph = classes({"x": "sin(g)", "y": "cos(x)", "u": "abs(g) or abs(y)"}, "u")
    graph.terms["u"][0] = Term("abs", ("g",), dropped=True)
    assert functions(extract(graph, (), NEVER)) == ["sin", "cos", "abs"]
    del graph.terms["u"][1]
    assert functions(extract(graph, (), NEVER)) == ["abs"]


def test_a_tree_is_not_put_where_a_scalar_is_wanted() -> None:
    graph = classes({"x": "sin(g)", "n": "norm(x) or cos(lr)", "u": "clip(g, n)"}, "u")
    graph.terms["n"] = [Term("abs", ("x",)), Term("cos", ("k",))]
    graph.terms["k"] = [Term("exp", ("lr",))]
    assert functions(extract(graph, (), NEVER)) == ["exp", "cos", "clip"]


def random_classes(rng: random.Random) -> Classes:
    """A small graph in which most classes have several ways, also through later ones."""
    names = [f"x{i}" for i in range(rng.randint(3, 6))]
    terms = {}
    for i, name in enumerate(names):
        ways = []
        for number in range(rng.randint(1, 3)):
            below = ["w", "g", "m", *(names[:i] if number == 0 else names)]
            function = rng.choice(("sin", "abs", "square", "add", "multiply", "arcsinh"))
            args = rng.choices(below, k=FUNCTIONS[function].arity)
            ways.append(f"{function}({', '.join(args)})")
        terms[name] = " or ".join(ways)
    return classes(terms, names[-1], rng.choice(names))


def all_programs(graph: Classes, states: tuple[str, ...]) -> Iterator[Program]:
    """Each program that some choice of one term for each class gives."""
    owners = list(graph.terms)
    for choice in product(*graph.terms.values()):
        program = _program(graph, dict(zip(owners, choice, strict=True)), states)
        if program is not None:
            yield program


def _program(graph: Classes, terms: Mapping[str, Term], states: tuple[str, ...]) -> Program | None:
    body: dict[str, Statement] = {}
    used: list[str] = []

    def value(owner: str, above: frozenset[str]) -> Argument:
        term = terms[owner]
        if owner in above:
            raise RecursionError
        if not term.args:
            if term.function in states and term.function not in used:
                used.append(term.function)
            return term.function
        if owner not in body:
            args = tuple(value(a, above | {owner}) for a in term.args)
            body[owner] = Statement(owner, term.function, args)
        return owner

    try:
        update, done = value(graph.roots[0], frozenset()), {}
        while len(done) < len(used):
            state = next(s for s in used if s not in done)
            done[state] = value(graph.roots[1 + states.index(state)], frozenset())
    except RecursionError:
        return None
    return Program(tuple(done), tuple(body.values()), (update, *done.values()))


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_nothing_is_cheaper_than_what_is_found(start: int) -> None:
    """Against all choices in small random graphs; greedy steps that miss the best by a little are rare."""
    missed = 0
    for seed in range(start, start + 20):
        graph = random_classes(random.Random(seed))
        found = extract(graph, ("m",), NEVER)
        assert found is not None
        best = min(map(cost, all_programs(graph, ("m",))))
        check(found)
        assert cost(found)[0] == best[0]
        assert cost(found) >= best
        missed += cost(found) > best
    assert missed <= 1

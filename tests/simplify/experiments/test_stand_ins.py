"""Which forms are proposed to stand in for values that they nearly are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from programs import canonical
from training import functions, trainer

from lion_search.dsl.arrays import ArrayDomain
from lion_search.dsl.execute import execute
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.tasks import find_task
from lion_search.proxy_tasks.training.prepare import prepare
from lion_search.proxy_tasks.training.recording import recorder
from lion_search.simplify.experiments.ablations import ChangeKind, complexity
from lion_search.simplify.experiments.stand_ins import Recording, stand_ins
from lion_search.simplify.simplifier import simplify


def recorded(program: Program) -> list[Recording]:
    """A program's values on random inputs: gradients of all sizes, 20 records of 100 weights."""
    rng, program_domain = np.random.default_rng(0), ArrayDomain(np, ((100,),), np.float64)
    records = []
    for size in np.geomspace(1, 0.01, 20):
        inputs = {name: (size * rng.normal(size=100),) for name in program.inputs}
        inputs["lr"] = (np.full(100, size),)
        values = {s.target: None for s in program.statements}
        everything = Program(program.states, program.statements, (*values, *inputs))
        arrays = execute(everything, program_domain, inputs)
        names = (*values, *inputs)
        records.append({n: program_domain.as_tree(a)[0] for n, a in zip(names, arrays, strict=True)})
    return [{name: np.stack([r[name] for r in records]) for name in records[0]}]


SIGNS = [
    "tanh(a * 1e8)",
    "arctan(1.0 / a)",
    "arcsinh(a * 1e8)",
    "a / sqrt(square(a))",
    "sinh(arctan(a * 1e6))",
    "cbrt(a / abs(a))",
]


@pytest.mark.parametrize("text", SIGNS)
def test_what_is_nearly_a_sign_may_be_one(text: str) -> None:
    program = canonical(f"m: a = interp(g, m, 0.7); update = {text} * lr; m = interp(g, m, 0.9)")
    found = stand_ins(program, recorded(program))
    signs = [p for p in found if "sign" in functions(p.program)]
    assert signs
    assert signs[0].kind is ChangeKind.STAND_IN
    assert " -> " in signs[0].what
    assert "sign(interp(" in signs[0].what.partition(" -> ")[2]
    assert all(complexity(p.program) < complexity(program) for p in found)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("sin(g * 0.001)", "g * 0.001"),
        ("sinh(g * 1e-4) * abs(g)", "0.0001 * abs(g) * g"),
        ("exp(g * 0.001)", "1"),
        ("log1p(square(g * 0.01))", "0.0001 * square(g)"),
        ("cosh(g * 0.001) * abs(g)", "1"),
    ],
)
def test_other_forms_may_stand_in(text: str, form: str) -> None:
    program = canonical(f": update = {text}")
    assert form in [p.what.partition(" -> ")[2] for p in stand_ins(program, recorded(program))]


def test_nothing_stands_in_for_what_is_like_nothing() -> None:
    program = canonical(": update = sin(g * 100.0) * cos(w * 100.0)")
    assert stand_ins(program, recorded(program)) == []
    assert stand_ins(program, []) == []


@pytest.mark.parametrize(("cost", "kept"), [(0.0, "sign"), (0.3, "tanh")])
def test_what_is_proposed_is_made_only_if_it_costs_nothing(cost: float, kept: str) -> None:
    program = canonical("m: m = interp(g, m, 0.9); update = tanh(m * 1e8) * lr")

    def loses(changed: Program) -> float:
        found, text = functions(changed), str(changed.statements)
        if "interp" not in found or "lr" not in text:
            return 0.3
        return cost if "sign" in found else 0.3 * ("tanh" not in found or "100000000.0" not in text)

    found = simplify(program, replace(trainer(loses), record=lambda p, scale: recorded(p)))
    assert kept in functions(found.after)


def test_a_training_is_recorded_at_some_steps_of_some_weights() -> None:
    problem = prepare(find_task("digits_mlp?steps=40"))
    program = canonical("m: m = interp(g, m, 0.9); update = sign(m) * (lr * 0.01)")
    (found,) = recorder([problem])(program, 1.0)
    assert set(found) == {*program.inputs, *(s.target for s in program.statements)}
    shapes = {array.shape for array in found.values()}
    assert shapes == {(20, 200)}
    new = found[str(program.outputs[1])]
    np.testing.assert_allclose(new, 0.9 * found["m"] + 0.1 * found["g"], rtol=1e-4, atol=1e-9)
    assert (np.diff(found["lr"][:, 0]) <= 0).all()


def test_a_training_that_diverges_at_once_records_nothing() -> None:
    problem = prepare(find_task("digits_mlp?steps=40"))
    program = canonical(": update = exp(exp(exp(abs(g) + 5.0)))")
    assert recorder([problem])(program, 1.0) == []

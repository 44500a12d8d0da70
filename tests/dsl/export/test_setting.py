"""Programs whose hyper-parameters are set by name."""

from __future__ import annotations

import numpy as np
import pytest

from lion_search.dsl.arrays import ArrayDomain
from lion_search.dsl.execute import execute
from lion_search.dsl.export.hyperparameters import make_rule
from lion_search.dsl.export.setting import with_values
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse

CONSTANT_RATE = "def train(w, g, lr):\n    update = g * 0.1\n    return update"


def update(program: Program, lr: float = 0.5) -> np.ndarray:
    domain = ArrayDomain(np, ((3,),), np.float64)
    names = ("w", "g", *program.states)
    inputs = {name: (np.array([0.3, -0.2, 0.7]) / (k + 1),) for k, name in enumerate(names)}
    return domain.as_tree(execute(program, domain, {**inputs, "lr": lr})[0])[0]


@pytest.mark.parametrize("name", LIBRARY)
def test_with_its_own_values_a_program_does_the_same(name: str) -> None:
    program = library_program(name)
    again = with_values(make_rule(program), {})
    np.testing.assert_allclose(update(again), update(program), rtol=1e-6)


@pytest.mark.parametrize("program", [library_program("lion"), parse(CONSTANT_RATE)])
def test_the_learning_rate_is_the_factor_of_the_update(program: Program) -> None:
    rule = make_rule(program)
    again = with_values(rule, {"learning_rate": 3 * rule.defaults["learning_rate"]})
    np.testing.assert_allclose(update(again), 3 * update(program), rtol=1e-6)


def test_a_name_that_it_lacks_changes_nothing() -> None:
    program = parse(CONSTANT_RATE)
    np.testing.assert_allclose(
        update(with_values(make_rule(program), {"weight_decay": 3.0})), update(program)
    )
